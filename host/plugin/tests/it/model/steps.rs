//! What may happen, in any order.

use proptest::prelude::*;
use socklet_plugin::InstancePolicy;

/// What becomes of one route.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) policy: InstancePolicy,
    pub(super) steps: Vec<Step>,
}

/// Who is meant by a number is one of those who are there.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Somebody comes, with this key.
    Connect(u8),
    Say(usize),
    /// Says something that takes longer than calls may hold their caller's thread.
    Ponder(usize),
    /// Sets a timer of so many milliseconds.
    Timer(usize, u64),
    Trap(usize),
    /// For longer than an idle instance stays awake, and any timer.
    Idle,
    Change(Change),
    /// All talk at once, and there may be a change in their midst, after so many of their turns.
    Burst(Option<(Change, u8)>),
    Close(usize),
    /// Ends without a close, as where the server goes down.
    Drop(usize),
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Swap(Temper),
    RollBack,
}

/// What is wrong with a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Temper {
    Good,
    DiesInLoad,
    DiesInMessage,
    /// After the answer.
    DiesWhenSent,
    DiesInSave,
    RefusesToSave,
}

pub(super) fn life() -> impl Strategy<Value = Life> {
    let key = InstancePolicy::Key("{room}".parse().unwrap());
    let policy = prop_oneof![
        3 => Just(InstancePolicy::Connection),
        3 => Just(InstancePolicy::Shared),
        3 => Just(key),
        1 => Just(InstancePolicy::Event),
    ];
    (policy, prop::collection::vec(step(), 4..24)).prop_map(|(policy, steps)| Life { policy, steps })
}

fn step() -> impl Strategy<Value = Step> {
    let who = any::<usize>;
    prop_oneof![
        6 => (0..3u8).prop_map(Step::Connect),
        8 => who().prop_map(Step::Say),
        1 => who().prop_map(Step::Ponder),
        3 => (who(), 60_000..120_000u64).prop_map(|(who, ms)| Step::Timer(who, ms)),
        1 => who().prop_map(Step::Trap),
        4 => Just(Step::Idle),
        5 => change().prop_map(Step::Change),
        3 => prop::option::of((change(), 0..12u8)).prop_map(Step::Burst),
        2 => who().prop_map(Step::Close),
        1 => who().prop_map(Step::Drop),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let temper = prop_oneof![
        4 => Just(Temper::Good),
        2 => Just(Temper::DiesInLoad),
        2 => Just(Temper::DiesInMessage),
        1 => Just(Temper::DiesWhenSent),
        1 => Just(Temper::DiesInSave),
        1 => Just(Temper::RefusesToSave),
    ];
    prop_oneof![3 => temper.prop_map(Change::Swap), 1 => Just(Change::RollBack)]
}

// === impl Temper ===

impl Temper {
    /// The setting `dies` of the guest.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Good => "",
            Self::DiesInLoad => "load",
            Self::DiesInMessage => "message",
            Self::DiesWhenSent => "sent",
            Self::DiesInSave => "save",
            Self::RefusesToSave => "refuse",
        }
    }

    /// Whether it may kill an instance that nobody asked to die.
    pub(super) fn kills(self) -> bool {
        !matches!(self, Self::Good | Self::RefusesToSave)
    }

    /// Whether it goes on with what others have left, and answers.
    pub(super) fn takes_over(self) -> bool {
        matches!(self, Self::Good | Self::RefusesToSave | Self::DiesInSave)
    }

    /// Whether its instances leave something to go on with.
    pub(super) fn leaves(self) -> bool {
        !matches!(self, Self::DiesInSave | Self::RefusesToSave)
    }

    /// Whether an answer of it can be the last.
    pub(super) fn answers(self) -> bool {
        self != Self::DiesInMessage
    }
}

//! A store with a live guest in it, and the calls into it. Whoever calls must drop it when a call did not return an answer.

use crate::{
    answer::Reply,
    bindings::{authenticator, behavior, frame_hook, state, timer_events, types},
    convert::{PrincipalView, RequestView, lower_ending, lower_frame, lower_message},
    meter::{Account, FIRST_SLICE},
    rest::{Rules, Worn},
    slots::{Slot, Slots},
    stacks::{Stack, Stacks},
    state::{Scope, State},
    timers::Timers,
};
use socklet_core::{ConnectionId, Event, Principal, UpgradeRequest};
use std::sync::Arc;
use wasmtime::{Store, component::InstancePre};

/// The optional exports; another version of the track is found by these too.
const FRAMES: &str = "socklet:plugin/frames@0.1.0";
const STATE: &str = "socklet:plugin/state@0.1.0";
const TIMER_EVENTS: &str = "socklet:plugin/timer-events@0.1.0";
/// Handles to resources that an instance may hold at once.
const HANDLES_MAX: usize = 2_000;

/// Linked: it can be instantiated.
pub(crate) struct Linked<I> {
    pre: InstancePre<State>,
    indices: I,
    slots: Slots,
    stacks: Option<Stacks>,
}

/// A store without a guest.
pub(crate) struct Sandbox(Store<State>);

/// A store with a live guest.
pub(crate) struct Instance<G> {
    store: Store<State>,
    guest: G,
    stack: Stack,
    /// Calls after the first.
    calls: u64,
}

/// A live behavior.
pub(crate) type BehaviorInstance = Instance<BehaviorGuest>;

/// The hooks of a behavior, looked up.
pub(crate) struct BehaviorGuest {
    hooks: behavior::Guest,
    frames: Option<frame_hook::Guest>,
    state: Option<state::Guest>,
    timer_events: Option<timer_events::Guest>,
}

/// Where a component has the hooks of a behavior.
pub(crate) struct BehaviorIndices {
    hooks: behavior::GuestIndices,
    // None for a component without that export.
    frames: Option<frame_hook::GuestIndices>,
    state: Option<state::GuestIndices>,
    timer_events: Option<timer_events::GuestIndices>,
}

/// The exports of a kind of plugin, found in a component.
pub(crate) trait Indices: Sized {
    type Guest;

    fn find(pre: &InstancePre<State>) -> wasmtime::Result<Self>;

    fn load(&self, store: &mut Store<State>, instance: &wasmtime::component::Instance)
    -> wasmtime::Result<Self::Guest>;
}

// === impl Linked ===

impl<I: Indices> Linked<I> {
    pub(crate) fn new(pre: InstancePre<State>, slots: Slots, stacks: Option<Stacks>) -> wasmtime::Result<Self> {
        Ok(Self { indices: I::find(&pre)?, pre, slots, stacks })
    }

    /// Where the component's instances find room.
    pub(crate) fn slots(&self) -> &Slots {
        &self.slots
    }

    /// An empty store for this component. What sets timers needs a place to keep them.
    pub(crate) fn sandbox(
        &self,
        scope: &Arc<Scope>,
        slot: Slot,
        timers: Option<Arc<Timers>>,
    ) -> wasmtime::Result<Sandbox> {
        let mut store = Store::try_new(self.pre.engine(), State::new(scope.clone(), slot, timers))?;
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(scope.limits.host_call_bytes_max);
        store.set_max_component_handles(HANDLES_MAX);
        store.epoch_deadline_callback(|mut store| store.data_mut().meter.slice_over());
        Ok(Sandbox(store))
    }

    /// Instantiates the component, under the same budgets as any call.
    pub(crate) async fn instantiate(&self, sandbox: Sandbox) -> wasmtime::Result<Instance<I::Guest>> {
        let Sandbox(mut store) = sandbox;
        let mut stack = Stack::new(self.stacks.clone());
        stack.claim().await;
        store.set_epoch_deadline(FIRST_SLICE);
        let instance = self.pre.instantiate_async(&mut store).await?;
        let guest = self.indices.load(&mut store, &instance)?;
        // A borrowed stack stays for the call that follows.
        Ok(Instance { store, guest, stack, calls: 0 })
    }
}

impl Linked<BehaviorIndices> {
    /// Whether the component exports `frames`.
    pub(crate) fn sees_frames(&self) -> bool {
        self.indices.frames.is_some()
    }

    /// Whether the component exports `state`.
    pub(crate) fn has_state(&self) -> bool {
        self.indices.state.is_some()
    }

    /// Whether the component exports `timer-events`.
    pub(crate) fn has_timers(&self) -> bool {
        self.indices.timer_events.is_some()
    }
}

// === impl Sandbox ===

impl Sandbox {
    pub(crate) fn account(&self) -> Arc<Account> {
        self.0.data().meter.account().clone()
    }
}

// === impl Instance ===

impl<G> Instance<G> {
    pub(crate) fn account(&self) -> Arc<Account> {
        self.store.data().meter.account().clone()
    }

    /// Fills the budgets. To be called before the call is, once.
    pub(crate) fn refill(&mut self) {
        self.calls += 1;
        let state = self.store.data_mut();
        state.meter.refill(&state.scope.limits);
    }

    /// Whether the instance has served for long enough, or grown too far.
    pub(crate) fn worn(&self, rules: &Rules) -> Option<Worn> {
        if rules.calls_max.is_some_and(|max| self.calls >= max) {
            return Some(Worn::Calls);
        }
        (self.store.data().limits.memory() > rules.memory_mark).then_some(Worn::Memory)
    }

    async fn enter(&mut self) -> (&mut Store<State>, &G) {
        self.stack.claim().await;
        self.store.set_epoch_deadline(FIRST_SLICE);
        (&mut self.store, &self.guest)
    }

    fn leave(&mut self) {
        self.store.data_mut().settle();
        self.stack.put_back(&mut self.store);
    }
}

impl Instance<BehaviorGuest> {
    pub(crate) async fn on_upgrade(
        &mut self,
        request: &UpgradeRequest,
        principal: Option<&Principal>,
        credentials: bool,
    ) -> wasmtime::Result<Result<behavior::Acceptance, types::Response>> {
        let request = RequestView::new(request, credentials);
        let principal = principal.map(PrincipalView::new);
        let principal = principal.as_ref().map(PrincipalView::lower);
        let (store, guest) = self.enter().await;
        let answer = guest.hooks.call_on_upgrade(store, request.lower(), principal).await?;
        self.leave();
        Ok(answer)
    }

    pub(crate) async fn on_event(&mut self, connection: ConnectionId, event: &Event) -> wasmtime::Result<Reply> {
        let connection = connection.get();
        let (store, guest) = self.enter().await;
        let reply = match event {
            Event::Open => guest.hooks.call_on_open(store, connection).await.map(Reply::Verdict),
            Event::Message(message) => {
                let spent = &mut store.data_mut().meter.spent;
                spent.messages_received += 1;
                spent.bytes_received += message.len() as u64;
                guest.hooks.call_on_message(store, connection, lower_message(message)).await.map(Reply::Verdict)
            }
            Event::Frame(frame) => match &guest.frames {
                Some(hook) => hook.call_on_frame(store, connection, lower_frame(frame)).await.map(Reply::Disposition),
                // Nobody has to ask, but the default is known.
                None => Ok(Reply::Disposition(frame_hook::Disposition::Process)),
            },
            Event::Close(ending) => {
                guest.hooks.call_on_close(store, connection, lower_ending(ending)).await.map(|()| Reply::Nothing)
            }
        }?;
        self.leave();
        Ok(reply)
    }
}

impl Instance<BehaviorGuest> {
    /// What must survive. Only for components that export `state`.
    pub(crate) async fn save(&mut self) -> wasmtime::Result<Result<Vec<u8>, String>> {
        let (store, guest) = self.enter().await;
        let Some(hook) = &guest.state else { return Ok(Err("it does not export state".into())) };
        let limits = &store.data().scope.limits;
        let (usual, all) = (limits.host_call_bytes_max, limits.memory_max);
        // Whatever it has: who has too much stays awake, and does not die of it.
        store.set_hostcall_fuel(all.max(usual));
        let left = hook.call_save(&mut *store).await?;
        store.set_hostcall_fuel(usual);
        self.leave();
        Ok(left)
    }

    /// Gives a fresh instance what another has saved.
    pub(crate) async fn load(&mut self, state: &[u8]) -> wasmtime::Result<Result<(), String>> {
        let (store, guest) = self.enter().await;
        let Some(hook) = &guest.state else { return Ok(Err("it does not export state".into())) };
        hook.call_load(store, state).await
        // A borrowed stack stays for the call that follows.
    }

    pub(crate) async fn on_timer(&mut self, name: &str) -> wasmtime::Result<()> {
        let (store, guest) = self.enter().await;
        if let Some(hook) = &guest.timer_events {
            hook.call_on_timer(store, name).await?;
        }
        self.leave();
        Ok(())
    }
}

impl Instance<authenticator::Guest> {
    pub(crate) async fn authenticate(&mut self, request: &UpgradeRequest) -> wasmtime::Result<authenticator::Verdict> {
        let request = RequestView::new(request, true);
        let (store, guest) = self.enter().await;
        guest.call_authenticate(store, request.lower()).await
    }
}

// === impl Indices ===

impl Indices for BehaviorIndices {
    type Guest = BehaviorGuest;

    fn find(pre: &InstancePre<State>) -> wasmtime::Result<Self> {
        let exports = |name| pre.component().get_export_index(None, name).is_some();
        Ok(Self {
            hooks: behavior::GuestIndices::new(pre)?,
            frames: exports(FRAMES).then(|| frame_hook::GuestIndices::new(pre)).transpose()?,
            state: exports(STATE).then(|| state::GuestIndices::new(pre)).transpose()?,
            timer_events: exports(TIMER_EVENTS).then(|| timer_events::GuestIndices::new(pre)).transpose()?,
        })
    }

    fn load(
        &self,
        store: &mut Store<State>,
        instance: &wasmtime::component::Instance,
    ) -> wasmtime::Result<Self::Guest> {
        Ok(BehaviorGuest {
            hooks: self.hooks.load(&mut *store, instance)?,
            frames: self.frames.as_ref().map(|indices| indices.load(&mut *store, instance)).transpose()?,
            state: self.state.as_ref().map(|indices| indices.load(&mut *store, instance)).transpose()?,
            timer_events: self.timer_events.as_ref().map(|indices| indices.load(&mut *store, instance)).transpose()?,
        })
    }
}

impl Indices for authenticator::GuestIndices {
    type Guest = authenticator::Guest;

    fn find(pre: &InstancePre<State>) -> wasmtime::Result<Self> {
        Self::new(pre)
    }

    fn load(
        &self,
        store: &mut Store<State>,
        instance: &wasmtime::component::Instance,
    ) -> wasmtime::Result<Self::Guest> {
        Self::load(self, store, instance)
    }
}

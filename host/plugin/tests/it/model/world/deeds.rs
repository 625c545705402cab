//! Takes one step, and compares what came of it with what had to come.

use super::*;

impl World {
    pub(super) async fn connect(&mut self, key: u8, before: Current) -> Checked<bool> {
        if self.talkers.len() == TALKERS {
            return Ok(false);
        }
        let key = match self.policy {
            InstancePolicy::Connection | InstancePolicy::Event => None,
            InstancePolicy::Shared => Some(0),
            InstancePolicy::Key(_) => Some(key),
        };
        let room = key.map(|key| ("room".to_owned(), key.to_string()));
        let found =
            key.and_then(|_| self.cells.iter().position(|cell| cell.key == key && cell.members > 0 && !cell.dead));
        let mut asked = request("");
        asked.captures = room.into_iter().collect();
        let cell = found.unwrap_or_else(|| {
            self.cells.push(Cell::new(key));
            self.cells.len() - 1
        });
        let mortal = self.is_mortal(cell, before);
        self.may_be_at(cell, &[before, self.current()]);
        let mut client = match self.route.try_accept(asked).await {
            Ok(client) => client,
            Err(error) => {
                ensure!(mortal, "nobody was let in: {error:?}");
                return Ok(true);
            }
        };
        self.may_be_at(cell, &[self.current()]);
        let opened = client.call(Event::Open).await;
        ensure!(mortal || opened == Ok(Answer::Proceed), "opened: {opened:?}");
        self.cells[cell].members += 1;
        self.talkers.push(Talker { client, cell });
        Ok(mortal)
    }

    pub(super) async fn say(&mut self, who: usize, text: &str, before: Current) -> Checked<bool> {
        let Some(who) = self.one(who) else { return Ok(false) };
        let Talker { client, cell } = &mut self.talkers[who];
        let cell = *cell;
        let outcome = client.say(text).await;
        let said = answers(&client.received())?;
        // Where a version gives way, it does so at once.
        pause().await;
        let now = self.current();
        let mortal = self.is_mortal(cell, before);
        self.may_be_at(cell, &[before, now]);
        let messages = self.cells[cell].messages;
        self.are_next(cell, &said, messages)?;
        match outcome {
            Ok(answer) => {
                ensure!(!self.cells[cell].dead, "the dead have answered");
                ensure!(answer == Answer::Proceed && said.len() == 1, "{answer:?}, {said:?}");
                let version = said[0].version;
                ensure!(self.temper(version).answers(), "{said:?} of who cannot");
                let settled = before == now
                    && self.temper(now.number).takes_over()
                    && self.cells[cell]
                        .at
                        .iter()
                        .all(|version| self.temper(*version).leaves() || *version == now.number);
                ensure!(!settled || version == now.number, "version {version} answered, not {}", now.number);
                self.cells[cell].messages = if self.is_fleeting() { 0 } else { messages + 1 };
                self.cells[cell].at = [version].into();
            }
            Err(_) if self.cells[cell].dead => ensure!(said.is_empty(), "{said:?} of the dead"),
            Err(error) => {
                ensure!(mortal || self.is_mortal(cell, now), "{error:?}");
                ensure!(
                    said.iter().all(|said| self.temper(said.version) == Temper::DiesWhenSent),
                    "{error:?} after {said:?}"
                );
            }
        }
        Ok(mortal || self.is_mortal(cell, now))
    }

    pub(super) async fn set_timer(&mut self, who: usize, ms: u64, before: Current) -> Checked<bool> {
        self.timers += 1;
        let (name, due) = (format!("t{}", self.timers), Instant::now() + Duration::from_millis(ms));
        let Some(index) = self.one(who) else { return Ok(false) };
        let cell = self.talkers[index].cell;
        let mortal = self.say(who, &format!("timer {name} {ms}"), before).await?;
        // Whoever died of it has set it, and is gone with it.
        self.cells[cell].timers.insert((due, self.timers), name);
        Ok(mortal)
    }

    pub(super) async fn trap(&mut self, who: usize, before: Current) -> Checked<bool> {
        let Some(who) = self.one(who) else { return Ok(false) };
        let Talker { client, cell } = &mut self.talkers[who];
        let died = client.say("trap").await;
        ensure!(matches!(died, Err(CallError::Died { .. })), "{died:?}");
        let said = answers(&client.received())?;
        ensure!(said.is_empty(), "{said:?}");
        let cell = *cell;
        self.cells[cell].at.insert(before.number);
        self.cells[cell].dead = true;
        Ok(true)
    }

    pub(super) async fn idle(&mut self, before: Current) -> Checked<bool> {
        let mut mortal = (0..self.cells.len()).any(|cell| self.is_mortal(cell, before));
        let mut heard = Vec::new();
        for round in 0..PATIENCE {
            advance(Duration::from_millis(8_001)).await;
            pause().await;
            self.settle().await?;
            heard.extend(self.heard()?);
            if round >= ROUNDS {
                // Calls on other threads take the machine's time, and the bed-time is after them.
                if self.is_quiet(&heard) {
                    break;
                }
                a_moment().await;
            }
        }
        let now = self.current();
        for cell in 0..self.cells.len() {
            self.may_be_at(cell, &[before, now]);
            mortal |= self.is_mortal(cell, now);
        }
        self.buries_the_dead(before, mortal)?;
        for index in 0..self.cells.len() {
            let cell = &mut self.cells[index];
            let wanted: Vec<_> = std::mem::take(&mut cell.timers).into_values().collect();
            let (gone, messages) = (cell.dead || cell.members == 0, cell.messages);
            let (of_cell, others): (Vec<_>, Vec<_>) = heard.into_iter().partition(|(name, _)| wanted.contains(name));
            heard = others;
            let told: Vec<_> = of_cell.iter().map(|(name, _)| name.clone()).collect();
            ensure!(
                told == wanted || gone && wanted.starts_with(&told),
                "timers {wanted:?} fired as {told:?} in {:?}",
                self.cells[index]
            );
            for (name, said) in of_cell {
                ensure!(said.count == messages, "{name} came with {said:?}, after {messages} messages");
                ensure!(self.cells[index].at.contains(&said.version), "{name} came with {said:?}");
            }
        }
        ensure!(heard.is_empty(), "nobody set {heard:?}");
        self.sleep_is_deep().await?;
        Ok(mortal)
    }

    pub(super) async fn change(&mut self, change: &Change) {
        if let Some(next) = self.prepare(change).await {
            next(self);
        }
    }

    /// The change, to be made at once.
    pub(super) async fn prepare(&mut self, change: &Change) -> Option<Box<dyn FnOnce(&mut Self)>> {
        match change {
            Change::Swap(temper) => {
                let (number, temper) = (self.tempers.len() as u32 + 1, *temper);
                let next = self.plugin.load_next(version(number, temper), socklet_plugin::When::Now).await.unwrap();
                Self::catch_up().await;
                Some(Box::new(move |world: &mut Self| {
                    world.tempers.push(temper);
                    world
                        .around(|_| assert!(matches!(next.install(), Swapped::To(status) if status.version == number)));
                }))
            }
            Change::RollBack => Some(Box::new(|world: &mut Self| world.around(|plugin| drop(plugin.roll_back())))),
        }
    }

    pub(super) fn around(&mut self, change: impl FnOnce(&Plugin)) {
        let before = self.current();
        change(&self.plugin);
        let now = self.current();
        for cell in 0..self.cells.len() {
            self.may_be_at(cell, &[before, now]);
        }
    }

    pub(super) async fn burst(&mut self, change: &Option<(Change, u8)>, before: Current) -> Checked<bool> {
        let (change, turns) = change.as_ref().map(|(change, turns)| (change, *turns)).unzip();
        let change = match change {
            Some(change) => self.prepare(change).await,
            None => None,
        };
        let mut talks = JoinSet::new();
        for (index, Talker { mut client, cell }) in std::mem::take(&mut self.talkers).into_iter().enumerate() {
            talks.spawn(async move {
                let mut outcomes = Vec::new();
                for text in [if index % 3 == 0 { BUSY } else { "hello" }, "and", "so on"] {
                    outcomes.push(client.say(text).await);
                    yield_now().await;
                }
                (index, Talker { client, cell }, outcomes)
            });
        }
        for _ in 0..turns.unwrap_or_default() {
            yield_now().await;
        }
        if let Some(change) = change {
            change(self);
        }
        let mut talked = talks.join_all().await;
        pause().await;
        talked.sort_by_key(|(index, ..)| *index);
        let now = self.current();
        let mut mortal = false;
        let mut said_in: BTreeMap<usize, Vec<Said>> = BTreeMap::new();
        for (_, talker, outcomes) in talked {
            let (cell, said) = (talker.cell, answers(&talker.client.received())?);
            self.talkers.push(talker);
            mortal |= self.is_mortal(cell, before) | self.is_mortal(cell, now);
            self.may_be_at(cell, &[before, now]);
            let answered = outcomes.iter().take_while(|outcome| outcome.is_ok()).count();
            ensure!(outcomes[answered..].iter().all(Result::is_err), "the dead have answered: {outcomes:?}");
            ensure!(
                answered == outcomes.len() || self.cells[cell].dead || self.is_mortal(cell, now),
                "{outcomes:?} in {:?}",
                self.cells[cell]
            );
            let last_words = said.get(answered).map(|said| self.temper(said.version));
            ensure!(
                said.len() == answered || said.len() == answered + 1 && last_words == Some(Temper::DiesWhenSent),
                "{outcomes:?}, {said:?}"
            );
            ensure!(self.is_fleeting() || said.is_sorted_by_key(|said| said.count), "out of order: {said:?}");
            said_in.entry(cell).or_default().extend(said);
        }
        for (cell, mut said) in said_in {
            said.sort_by_key(|said| said.count);
            let messages = self.cells[cell].messages;
            self.are_next(cell, &said, messages)?;
            if !self.is_fleeting() {
                self.cells[cell].messages += said.len() as u64;
            }
        }
        Ok(mortal)
    }

    pub(super) async fn close(&mut self, who: usize, before: Current) -> Checked<bool> {
        let Some(who) = self.one(who) else { return Ok(false) };
        let Talker { mut client, cell } = self.talkers.remove(who);
        let closed = client.close(Cause::Client).await;
        pause().await;
        let now = self.current();
        let mortal = self.is_mortal(cell, before) || self.is_mortal(cell, now);
        self.may_be_at(cell, &[before, now]);
        ensure!(mortal || closed == Ok(Answer::Proceed), "{closed:?}");
        *self.ends.entry(client.id).or_default() += 1;
        let heard = self.heard()?;
        ensure!(heard.is_empty(), "{heard:?} at once");
        ensure!(self.told == self.ends, "ends told: {:?}, and there were {:?}", self.told, self.ends);
        self.leaves(cell);
        Ok(mortal)
    }

    pub(super) fn drop(&mut self, who: usize) {
        if let Some(who) = self.one(who) {
            let Talker { cell, .. } = self.talkers.remove(who);
            self.leaves(cell);
        }
    }

    pub(super) fn leaves(&mut self, cell: usize) {
        let cell = &mut self.cells[cell];
        cell.members -= 1;
        if cell.members == 0 {
            cell.timers.clear();
        }
    }
}

//! Any order of coming, going and speaking, held against a model of two rooms.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Enter { room: usize, who: usize, lease: u64 },
    Leave { room: usize, who: usize, lease: u64 },
    Say { room: usize, who: usize, id: Option<u8> },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..2_usize, 0..3_usize, 0..3_u64).prop_map(|(room, who, lease)| Step::Enter { room, who, lease }),
        (0..2_usize, 0..3_usize, 0..3_u64).prop_map(|(room, who, lease)| Step::Leave { room, who, lease }),
        (0..2_usize, 0..3_usize, proptest::option::of(0..6_u8)).prop_map(|(room, who, id)| Step::Say { room, who, id }),
    ]
}

const PEOPLE: [&str; 3] = ["a", "b", "c"];

/// A room as it should be: who holds what, and (kind, count) of every entry.
#[derive(Default)]
struct Model {
    leases: BTreeSet<(usize, u64)>,
    log: Vec<(Kind, u32)>,
    ids: BTreeMap<(usize, u8), u64>,
}

impl Model {
    fn people(&self) -> u32 {
        self.leases.iter().map(|(who, _)| who).collect::<BTreeSet<_>>().len() as u32
    }

    fn note(&mut self, kind: Kind) -> u64 {
        self.log.push((kind, self.people()));
        self.log.len() as u64
    }

    fn enter(&mut self, who: usize, lease: u64) -> Entered {
        let before = self.people();
        self.leases.insert((who, lease));
        let announced = self.people() > before;
        if announced {
            self.note(Kind::Enter);
        }
        Entered {
            last: self.log.len() as u64,
            first: 1,
            missing: 0,
            announced,
            user_count: self.people(),
            history: History::On,
        }
    }

    fn leave(&mut self, who: usize, lease: u64) {
        let before = self.people();
        self.leases.remove(&(who, lease));
        if self.people() < before {
            self.note(Kind::Quit);
        }
    }

    fn say(&mut self, who: usize, id: Option<u8>) -> Appended {
        if let Some(offset) = id.and_then(|id| self.ids.get(&(who, id))) {
            return Appended { offset: *offset, duplicate: true };
        }
        let offset = self.note(Kind::Talk);
        if let Some(id) = id {
            self.ids.insert((who, id), offset);
        }
        Appended { offset, duplicate: false }
    }
}

enum Answer {
    Entered(Pending<Entered>, Entered),
    Appended(Pending<Appended>, Appended),
}

/// Asks for everything at once, then compares every answer and both logs; at last everybody goes.
async fn compare(on: On, steps: Vec<Step>) {
    let mut house = House::new(on).await;
    let rooms = [house.room().await, house.room().await];
    let mut models = [Model::default(), Model::default()];
    let mut answers = Vec::new();
    for step in steps {
        match step {
            Step::Enter { room, who, lease } => {
                let asked = house.entering(rooms[room], PEOPLE[who], lease);
                answers.push(Answer::Entered(asked, models[room].enter(who, lease)));
            }
            Step::Leave { room, who, lease } => {
                house.leave(rooms[room], PEOPLE[who], lease);
                models[room].leave(who, lease);
            }
            Step::Say { room, who, id } => {
                let id = id.map(|id| id.to_string());
                let asked = house.store.append(draft(rooms[room], PEOPLE[who], "x", id.as_deref()));
                answers.push(Answer::Appended(asked, models[room].say(who, id.map(|id| id.parse().unwrap()))));
            }
        }
    }
    for answer in answers {
        match answer {
            Answer::Entered(asked, expected) => assert_eq!(settled(asked).await, Ok(expected)),
            Answer::Appended(asked, expected) => assert_eq!(settled(asked).await, Ok(expected)),
        }
    }
    let mut here = Vec::new();
    for (room, model) in rooms.iter().zip(&models) {
        here.extend(model.leases.iter().map(|(who, lease)| (*room, PEOPLE[*who], *lease)));
    }
    house.end(here).await;
    for (room, mut model) in rooms.into_iter().zip(models) {
        while let Some((who, lease)) = model.leases.first().copied() {
            model.leave(who, lease);
        }
        let entries = house.all(room).await.entries;
        assert_eq!(entries.iter().map(|entry| (entry.kind, entry.user_count)).collect::<Vec<_>>(), model.log);
        assert_eq!(offsets(&entries), (1..=model.log.len() as u64).collect::<Vec<_>>());
    }
}

/// The cases of one store, with what is on it.
fn agree(on: On) {
    let config = ProptestConfig { cases: 32, ..ProptestConfig::with_source_file(file!()) };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let agreed = runner.run(&proptest::collection::vec(step(), 0..120), |steps| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(compare(on, steps));
        Ok(())
    });
    agreed.unwrap();
}

mod sqlite {
    #[test]
    fn any_order_of_coming_going_and_speaking_gives_the_answers_and_the_log_of_the_model() {
        super::agree(super::On::Sqlite);
    }
}

mod redis {
    #[test]
    fn any_order_of_coming_going_and_speaking_gives_the_answers_and_the_log_of_the_model() {
        super::agree(super::On::Redis);
    }
}

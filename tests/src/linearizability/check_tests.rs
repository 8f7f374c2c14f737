//! Histories that are known to be linearizable, and others that are known not to be.

use super::{Answer, Call, History, Operation, Violation, check};

/// One line per operation, `CALL CALLED ANSWERED [ANSWER]`, for example `cas:1:2 5 9 refused`; `-` if nothing was heard.
fn history(text: &str) -> Vec<Operation> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(operation).collect()
}

fn operation(line: &str) -> Operation {
    let words: Vec<&str> = line.split(' ').collect();
    let parts: Vec<&str> = words[0].split(':').collect();
    let number = |index: usize| parts[index].parse().unwrap();
    let call = match parts[0] {
        "create" => Call::Create(number(1)),
        "write" => Call::Write(number(1)),
        "read" => Call::Read,
        "delete" => Call::Delete,
        "cas" => Call::CompareAndSet {
            expected: number(1),
            new: number(2),
        },
        other => panic!("{other}"),
    };
    let answer = match words.get(3).copied() {
        None if call == Call::Read => Answer::Found(parts.get(1).map(|found| found.parse().unwrap())),
        None => Answer::Done,
        Some("refused") => Answer::Refused,
        Some("failed") => Answer::Failed,
        Some(other) => panic!("{other}"),
    };
    Operation {
        client: "c".to_owned(),
        call,
        called: words[1].parse().unwrap(),
        answered: (words[2] != "-").then(|| (answer, words[2].parse().unwrap())),
    }
}

#[track_caller]
fn linearizable(text: &str) {
    if let Err(violation) = check(&history(text)) {
        panic!("{violation}");
    }
}

#[track_caller]
fn impossible(text: &str) {
    let found = check(&history(text));
    assert!(matches!(found, Err(Violation::Impossible { .. })), "{found:?}");
}

#[test]
fn one_after_another() {
    linearizable("");
    linearizable("read 1 2");
    linearizable("create:1 1 2\nread:1 3 4\nwrite:2 5 6\nread:2 7 8\ndelete 9 10\nread 11 12");
    impossible("create:1 1 2\nread 3 4");
    impossible("create:1 1 2\nwrite:2 3 4\nread:1 5 6");
    impossible("read:1 1 2");
    impossible("create:1 1 2\ndelete 3 4\nread:1 5 6");
}

#[test]
fn at_the_same_time_either_order_will_do_but_only_one_of_them() {
    linearizable("create:1 1 2\nwrite:2 3 10\nread:1 4 5\nread:2 6 7");
    linearizable("create:1 1 2\nwrite:2 3 10\nwrite:3 4 9\nread:2 11 12");
    linearizable("create:1 1 2\nwrite:2 3 10\nwrite:3 4 9\nread:3 11 12");
    // Seen new, then old again: a stale read.
    impossible("create:1 1 2\nwrite:2 3 10\nread:2 4 5\nread:1 6 7");
    impossible("create:1 1 2\nwrite:2 3 10\nwrite:3 4 9\nread:2 11 12\nread:3 13 14");
}

#[test]
fn a_lost_write_is_found() {
    // Acknowledged by one leader, unknown to the next.
    impossible("create:1 1 2\nwrite:2 3 4\nwrite:3 5 6\nread:2 7 8");
    impossible("create:1 1 2\ncas:1:2 3 4\nread:1 5 6");
}

#[test]
fn two_cannot_both_win_from_the_same_value() {
    linearizable("create:1 1 2\ncas:1:2 3 10\ncas:1:3 4 9 refused\nread:2 11 12");
    linearizable("create:1 1 2\ncas:1:2 3 10\ncas:2:3 4 9\nread:3 11 12");
    impossible("create:1 1 2\ncas:1:2 3 10\ncas:1:3 4 9");
    impossible("create:1 1 2\ncreate:2 3 4");
    impossible("create:1 1 2\ncas:1:2 3 4 refused");
    impossible("create:1 1 2\nwrite:2 3 4 refused");
    linearizable("create:1 1 2\ncreate:2 3 4 refused\nread:1 5 6");
}

#[test]
fn what_nobody_heard_of_may_have_happened_late_or_never() {
    linearizable("create:1 1 2\nwrite:2 3 -\nread:1 4 5\nread:2 6 7\nread:2 8 9");
    linearizable("create:1 1 2\nwrite:2 3 -\nread:1 4 5");
    linearizable("create:1 1 2\ncas:1:2 3 -\nwrite:3 4 5\nread:3 6 7");
    linearizable("create:1 1 -\nread 2 3\ncreate:5 4 5 refused\nread:1 6 7");
    // Once, and not before it was asked for.
    impossible("create:1 1 2\nwrite:2 3 -\nread:2 4 5\nwrite:3 6 7\nread:3 8 9\nread:2 10 11");
    impossible("create:1 1 2\nread:2 3 4\nwrite:2 5 -");
    // The condition holds for it as well: 1 was gone, so it cannot have happened.
    impossible("create:1 1 2\nwrite:3 3 4\ncas:1:2 5 -\nread:2 6 7");
    linearizable(
        "create:1 1 2\nread - -\nread:1 3 4"
            .replace("read - -", "read 9 -")
            .as_str(),
    );
}

#[test]
fn what_certainly_did_not_happen_must_not_show() {
    linearizable("create:1 1 2\nwrite:2 3 4 failed\nread:1 5 6");
    impossible("create:1 1 2\nwrite:2 3 4 failed\nread:2 5 6");
}

#[test]
fn many_unheard_writes_are_no_obstacle() {
    let mut lines = vec!["create:1 1 2".to_owned()];
    let mut instant = 3;
    for value in 2..400_u64 {
        if value % 20 == 0 {
            lines.push(format!("write:{value} {instant} -"));
        } else {
            // Three clients at once: each reads what the one before wrote, or what it overlaps with.
            lines.push(format!("write:{value} {instant} {}", instant + 4));
            lines.push(format!("read:{value} {} {}", instant + 1, instant + 5));
        }
        instant += 6;
    }
    linearizable(&lines.join("\n"));
    lines.push(format!("read:7 {instant} {}", instant + 1));
    impossible(&lines.join("\n"));
}

/// A register that does one thing at a time, used by clients whose calls overlap, is linearizable whatever they do; with one
/// answer changed to what was never there, it is not.
#[test]
fn random_histories_of_a_true_register() {
    for seed in 1..=300_u64 {
        let history = random(seed);
        if let Err(violation) = check(&history) {
            panic!("seed {seed}: {violation}");
        }
        let mut changed = history.clone();
        let read = changed
            .iter_mut()
            .find(|operation| matches!(operation.answered, Some((Answer::Found(_), _))));
        if let Some(read) = read {
            let at = read.answered.expect("it was found by its answer").1;
            read.answered = Some((Answer::Found(Some(999_999)), at));
            assert!(check(&changed).is_err(), "seed {seed}");
        }
    }
}

/// Sixty operations of five clients, each with its effect at a random instant between call and answer.
fn random(seed: u64) -> Vec<Operation> {
    let mut random = Random(seed);
    let recorded = History::default();
    let (mut held, mut values) = (None, 0);
    let mut under_way = Vec::new();
    for _ in 0..400 {
        match random.below(3) {
            0 if under_way.len() < 5 => {
                values += 1;
                let call = match random.below(5) {
                    0 => Call::Create(values),
                    1 => Call::Write(values),
                    2 => Call::CompareAndSet {
                        expected: held.unwrap_or(0),
                        new: values,
                    },
                    3 if random.below(3) == 0 => Call::Delete,
                    _ => Call::Read,
                };
                under_way.push((recorded.called("c", "r", call), call, None));
            }
            1 if !under_way.is_empty() => {
                let index = random.index(under_way.len());
                let (_, call, answer) = &mut under_way[index];
                if answer.is_none() {
                    *answer = Some(carry_out(*call, &mut held));
                }
            }
            2 if !under_way.is_empty() => {
                let index = random.index(under_way.len());
                if under_way[index].2.is_some() || random.below(10) == 0 {
                    let (operation, _, answer) = under_way.remove(index);
                    // One in eight answers is lost.
                    if let Some(answer) = answer.filter(|_| random.below(8) > 0) {
                        recorded.answered(operation, answer);
                    }
                }
            }
            _ => {}
        }
    }
    recorded.registers().remove("r").unwrap_or_default()
}

/// Written without the checker's own rules, so that the two are held against each other.
fn carry_out(call: Call, held: &mut Option<u64>) -> Answer {
    let next = match (call, *held) {
        (Call::Read, found) => return Answer::Found(found),
        (Call::Create(value), None) | (Call::Write(value), Some(_)) => Some(value),
        (Call::CompareAndSet { expected, new }, Some(value)) if value == expected => Some(new),
        (Call::Delete, Some(_)) => None,
        _ => return Answer::Refused,
    };
    *held = next;
    Answer::Done
}

/// Small histories of any answers at all, right and wrong ones, against all orders tried one by one.
#[test]
fn random_answers_against_every_order() {
    let (mut possible, mut impossible) = (0, 0);
    for seed in 1..=4_000 {
        let history = arbitrary(seed);
        let expected = some_order_explains(&history, None);
        assert_eq!(check(&history).is_ok(), expected, "seed {seed}: {history:#?}");
        *(if expected { &mut possible } else { &mut impossible }) += 1;
    }
    // Neither verdict is rare, or this would say little.
    assert!(possible > 300 && impossible > 300, "{possible} {impossible}");
}

/// Up to six operations on three values, with any answers.
fn arbitrary(seed: u64) -> Vec<Operation> {
    let mut random = Random(seed);
    let mut instants: Vec<u64> = (1..=12).collect();
    let mut history = Vec::new();
    for value in 1..=3 + random.below(4) {
        let one = instants.remove(random.index(instants.len()));
        let other = instants.remove(random.index(instants.len()));
        let seen = 1 + random.below(3);
        let (call, answer) = match random.below(8) {
            0 | 1 => (Call::Create(value), Answer::Done),
            2 => (Call::Write(value), Answer::Done),
            3 => (
                Call::CompareAndSet {
                    expected: seen,
                    new: value,
                },
                Answer::Done,
            ),
            4 => (Call::Delete, Answer::Done),
            5 => (Call::Read, Answer::Found(None)),
            _ => (Call::Read, Answer::Found(Some(seen))),
        };
        let answer = match random.below(8) {
            0 => None,
            1 if call != Call::Read => None,
            2 | 3 if call != Call::Read => Some(Answer::Refused),
            _ => Some(answer),
        };
        history.push(Operation {
            client: "c".to_owned(),
            call,
            called: one.min(other),
            answered: answer.map(|answer| (answer, one.max(other))),
        });
    }
    history
}

/// Tries every operation that can come next by time, and after it every one that can come then.
fn some_order_explains(rest: &[Operation], held: Option<u64>) -> bool {
    if rest.iter().all(|operation| operation.answered.is_none()) {
        return true;
    }
    let first_answer = rest
        .iter()
        .filter_map(|operation| Some(operation.answered?.1))
        .min();
    (0..rest.len()).any(|index| {
        let operation = &rest[index];
        let mut after = held;
        let answer = carry_out(operation.call, &mut after);
        let fits = operation.answered.is_none_or(|(heard, _)| heard == answer);
        let mut without = rest.to_vec();
        without.remove(index);
        Some(operation.called) < first_answer && fits && some_order_explains(&without, after)
    })
}

/// Numbers that only the seed decides.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }
}

//! Tool calls at work: each on a thread of its own, so that a transport can report progress and notice who left.
//!
//! A call ends in one of three ways: it is done, it panicked (which ends this call only), or it was cancelled, and
//! then nobody is answered. Source: MCP, "Progress" and "Cancellation".

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::account::{Account, Caller, Outcome, Record, short};
use super::jsonrpc::{self, Fault, INTERNAL_ERROR};
use super::tools::{Tool, Wait};
use super::version::Era;
use super::{Answer, Received, content, finish};
use crate::base::{Error, Kind, Watch, log};
use crate::ops::Ops;

/// The whole of a call: longer than the opening of a console (5 min) and the longest wait at it (10 min) take.
const CALL_LIMIT: Duration = Duration::from_secs(960);
/// Clients give up after 60 s unless they see progress; those that cannot are answered before.
const PATIENCE_WITHOUT_PROGRESS: Duration = Duration::from_secs(50);
pub(super) fn panicked() -> Fault {
    Fault::new(INTERNAL_ERROR, "internal error: the request panicked; report this as a bug")
}

/// The calls that are at work, for those who cancel them.
#[derive(Default)]
pub(super) struct Calls {
    entries: Mutex<Vec<Entry>>,
    last: AtomicU64,
    account: Option<Box<Account>>,
}

struct Entry {
    number: u64,
    /// Session and request id; `None` where no notification can name the call.
    key: Option<(String, Value)>,
    watch: Watch,
}

impl Calls {
    pub(super) fn told_to(account: Box<Account>) -> Self {
        Self { account: Some(account), ..Self::default() }
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn cancel(&self, session: &str, id: &Value) {
        let is_meant = |(of, named): &(String, Value)| of == session && named == id;
        self.cancel_where(|entry| entry.key.as_ref().is_some_and(is_meant));
    }

    pub(super) fn cancel_all(&self) {
        self.cancel_where(|_| true);
    }

    fn cancel_where(&self, meant: impl Fn(&Entry) -> bool) {
        // Hooks run while a watch is cancelled: not under the lock.
        let watches: Vec<Watch> =
            self.entries().iter().filter(|entry| meant(entry)).map(|entry| entry.watch.clone()).collect();
        watches.iter().for_each(Watch::cancel);
    }
}

/// A call's place among those at work, and what there is to tell of it when it ends.
struct Place {
    number: u64,
    calls: Arc<Calls>,
    caller: Caller,
    tool: &'static str,
    server: Option<String>,
    watch: Watch,
    outcome: Outcome,
    failure: Option<String>,
    bytes: usize,
}

impl Place {
    /// What it is called in the log.
    fn name(&self) -> String {
        let server = self.server.as_ref().map(|server| format!(" {server}"));
        self.tool.to_owned() + &server.unwrap_or_default()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.calls.entries().retain(|entry| entry.number != self.number);
        let _work = log::work_for(Some(self.number));
        let took = self.watch.elapsed();
        let (name, outcome, time) = (self.name(), self.outcome.name(), took.as_millis());
        match &self.failure {
            Some(failure) => log::info(format_args!("{name}: {outcome} after {time} ms: {failure}")),
            None => log::info(format_args!("{name}: {outcome} after {time} ms, {} bytes", self.bytes)),
        }
        if let Some(account) = &self.calls.account {
            account(&Record {
                call: self.number,
                client: &self.caller.client,
                session: &self.caller.session,
                tool: self.tool,
                server: self.server.as_deref(),
                outcome: self.outcome,
                took,
                bytes: self.bytes,
            });
        }
    }
}

/// One call of a tool, not begun.
pub(super) struct Call {
    id: Value,
    era: Era,
    tool: &'static Tool,
    arguments: Value,
    token: Option<Value>,
    watch: Watch,
    place: Place,
}

impl Call {
    pub(super) fn new(
        id: Value,
        era: Era,
        tool: &'static Tool,
        arguments: Value,
        token: Option<Value>,
        caller: Caller,
        calls: &Arc<Calls>,
    ) -> Self {
        let watch = Watch::new("starting", CALL_LIMIT);
        let number = calls.last.fetch_add(1, Ordering::Relaxed) + 1;
        let key = caller.may_cancel.then(|| (caller.session.clone(), id.clone()));
        calls.entries().push(Entry { number, key, watch: watch.clone() });
        let place = Place {
            number,
            calls: Arc::clone(calls),
            caller,
            tool: tool.name,
            server: short(&arguments["serverId"]),
            watch: watch.clone(),
            outcome: Outcome::Refused,
            failure: None,
            bytes: 0,
        };
        Self { id, era, tool, arguments, token, watch, place }
    }

    /// The answer; `None` where nobody wants it any more.
    fn run(mut self, ops: &Arc<Ops>) -> Option<Value> {
        let _work = log::work_for(Some(self.place.number));
        log::debug(format_args!("{}: begins, for {:?}", self.place.name(), self.place.caller.client));
        let patience = self.token.is_none().then_some(PATIENCE_WITHOUT_PROGRESS);
        let wait = Wait { watch: &self.watch, patience };
        let result = catch_unwind(AssertUnwindSafe(|| self.tool.call(ops, &self.arguments, &wait)));
        if self.watch.is_cancelled() {
            self.place.outcome = Outcome::Cancelled;
            return None;
        }
        Some(match result {
            Ok(result) => {
                self.place.bytes = content::size(&result);
                self.place.failure = content::failure_of(&result).map(str::to_owned);
                self.place.outcome = if self.place.failure.is_some() { Outcome::Failed } else { Outcome::Done };
                jsonrpc::success(&self.id, finish(self.era, result))
            }
            Err(_) => {
                self.place.outcome = Outcome::Panicked;
                panicked().answer(Some(&self.id))
            }
        })
    }
}

/// What a message asks for that takes time: a call, or a batch with calls in it.
pub struct Work {
    ops: Arc<Ops>,
    parts: Vec<Part>,
    is_batch: bool,
}

enum Part {
    Answer(Value),
    Call(Box<Call>),
}

impl Work {
    pub(super) fn one(ops: Arc<Ops>, call: Call) -> Self {
        Self { ops, parts: vec![Part::Call(Box::new(call))], is_batch: false }
    }

    pub(super) fn batch(ops: Arc<Ops>) -> Self {
        Self { ops, parts: Vec::new(), is_batch: true }
    }

    pub(super) fn answered(&mut self, answer: Value) {
        self.parts.push(Part::Answer(answer));
    }

    pub(super) fn join(&mut self, work: Self) {
        self.parts.extend(work.parts);
    }

    /// What a batch came to: where nothing takes time, the answers at once.
    pub(super) fn into_received(self) -> Received {
        if self.calls().next().is_some() {
            return Received::Work(self);
        }
        let answers = self.parts.into_iter().filter_map(|part| match part {
            Part::Answer(answer) => Some(answer),
            Part::Call(_) => None,
        });
        match Value::from_iter(answers) {
            Value::Array(none) if none.is_empty() => Received::Nothing,
            message => Received::Answer(Answer { message, status: 200, session: None }),
        }
    }

    fn calls(&self) -> impl Iterator<Item = &Call> {
        self.parts.iter().filter_map(|part| match part {
            Part::Answer(_) => None,
            Part::Call(call) => Some(call.as_ref()),
        })
    }

    /// Whether the answer may take many seconds.
    pub fn is_slow(&self) -> bool {
        self.calls().any(|call| call.tool.slow)
    }

    /// Reports no progress, whatever the client asked for: it could not see any. So it does not wait to the end.
    #[must_use]
    pub fn without_progress(mut self) -> Self {
        for part in &mut self.parts {
            if let Part::Call(call) = part {
                call.token = None;
            }
        }
        self
    }

    /// The answer to work that is not begun: every call in it failed, and `what` says why.
    pub fn refuse(self, what: &str) -> Value {
        let refused = |call: &Call| {
            let error = Error::new(Kind::Busy, what).doing(call.tool.name);
            jsonrpc::success(&call.id, finish(call.era, content::failure(&error)))
        };
        let answers = self.parts.into_iter().map(|part| match part {
            Part::Answer(answer) => answer,
            Part::Call(call) => refused(&call),
        });
        assemble(answers.collect(), self.is_batch).unwrap_or_default()
    }

    /// Begins, on a thread of its own; the calls of a batch come one after the other. `held` lives as long as the
    /// work does, also when nobody waits for it any more.
    pub fn begin(self, held: impl Send + 'static) -> Running {
        let flights = self.calls().map(Flight::of).collect();
        let ids = self.calls().map(|call| call.id.clone()).collect();
        let current = Arc::new(AtomicUsize::new(0));
        let (done, result) = mpsc::channel();
        let (is_batch, begun) = (self.is_batch, Arc::clone(&current));
        let job = move || {
            let mut answers = Vec::new();
            for part in self.parts {
                match part {
                    Part::Answer(answer) => answers.push(answer),
                    Part::Call(call) => {
                        answers.extend(call.run(&self.ops));
                        begun.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
            drop(held);
            // Nobody may be waiting any more.
            let _ = done.send(assemble(answers, is_batch));
        };
        if let Err(error) = thread::Builder::new().name("call".into()).spawn(job) {
            log::error(format_args!("no thread for a call: {error}"));
        }
        Running { result, flights, current, ids, is_batch }
    }
}

fn assemble(mut answers: Vec<Value>, is_batch: bool) -> Option<Value> {
    match is_batch {
        _ if answers.is_empty() => None,
        true => Some(Value::Array(answers)),
        false => answers.pop(),
    }
}

/// Work that has begun. Dropped, it goes on and its result is lost.
pub struct Running {
    result: Receiver<Option<Value>>,
    flights: Vec<Flight>,
    current: Arc<AtomicUsize>,
    ids: Vec<Value>,
    is_batch: bool,
}

/// How far the work is.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Not done yet.
    Working,
    /// Done, with the answer; `None` where the client does not want it any more.
    Done(Option<Value>),
}

/// What is known of a call from outside.
struct Flight {
    era: Era,
    watch: Watch,
    token: Option<Value>,
    /// Milliseconds, as last reported.
    reported: u64,
}

impl Flight {
    fn of(call: &Call) -> Self {
        Self { era: call.era, watch: call.watch.clone(), token: call.token.clone(), reported: 0 }
    }
}

impl Running {
    /// Waits for the end, no longer than `limit`.
    pub fn wait(&self, limit: Duration) -> Step {
        match self.result.recv_timeout(limit) {
            Ok(answer) => Step::Done(answer),
            Err(RecvTimeoutError::Timeout) => Step::Working,
            // There was no thread to begin on.
            Err(RecvTimeoutError::Disconnected) => {
                let fault = Fault::new(INTERNAL_ERROR, "this machine has no thread left for the call; try again later");
                let answers = self.ids.iter().map(|id| fault.answer(Some(id))).collect();
                Step::Done(assemble(answers, self.is_batch))
            }
        }
    }

    /// Waits for the end, however long it takes: every call has its own limit.
    pub fn finish(self) -> Option<Value> {
        loop {
            if let Step::Done(answer) = self.wait(CALL_LIMIT) {
                return answer;
            }
        }
    }

    /// A notification that says what is being done, where the client asked for such; the progress is in seconds
    /// and grows from one to the next.
    pub fn progress(&mut self) -> Option<Value> {
        let flight = self.flights.get_mut(self.current.load(Ordering::Relaxed))?;
        let token = flight.token.as_ref()?;
        let elapsed = flight.watch.elapsed();
        // Two reports may fall into one tick of the clock.
        flight.reported = (flight.reported + 1).max(elapsed.as_millis() as u64);
        let note = flight.watch.noted().map(|note| format!(", {note}")).unwrap_or_default();
        let message = format!("{} ({} s){note}", flight.watch.stage(), elapsed.as_secs());
        let progress = flight.reported as f64 / 1000.0;
        let params = json!({ "progressToken": token, "progress": progress, "message": message });
        Some(jsonrpc::notification("notifications/progress", params))
    }

    /// The client has gone. In the stateless era that cancels the calls; in the handshake era it only loses the
    /// connection, and the calls go on.
    pub fn abandon(self) {
        let cancelled = self.flights.iter().filter(|flight| flight.era == Era::Stateless);
        cancelled.for_each(|flight| flight.watch.cancel());
    }
}

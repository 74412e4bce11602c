//! Clients: what each of them does, step by step, and what it has seen at the end.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::IoSlice;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use futures_lite::future;
use osier::clock;
use osier::net::stream::{self, Stream};

use super::dice::Dice;
use super::talk::{self, Body, Head, Scan};
use super::wire::Tip;

/// Whoever waits longer than this waits in vain.
const PATIENCE: Duration = Duration::from_secs(3600);

/// One request, as it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    /// Whose it is.
    pub(crate) tag: String,
    pub(crate) method: &'static str,
    pub(crate) head: Vec<u8>,
    /// The content as it is framed.
    pub(crate) body: Vec<u8>,
    /// It waits to be told to go on.
    pub(crate) expects: bool,
    /// It asks for a tunnel.
    pub(crate) upgrades: bool,
    /// It is none: a client may send anything.
    pub(crate) is_broken: bool,
}

/// What a client does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Send(Vec<u8>),
    Rest(Duration),
    /// Until so many responses are whole, or the connection has ended.
    Await(usize),
    /// Until it is told to go on, for a while.
    AwaitContinue(Duration),
    /// Octets for a tunnel, if there is one.
    SendInTunnel(Vec<u8>),
    /// Ends its side, and reads on.
    End,
    /// Goes.
    Leave,
    /// Goes, and everything is reset.
    Reset,
}

/// A client's script.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) number: usize,
    pub(crate) asks: Vec<Ask>,
    pub(crate) steps: Vec<Step>,
    /// It goes then, wherever it is.
    pub(crate) leaves_after: Option<Duration>,
    /// It reads nothing before.
    pub(crate) reads_after: Duration,
}

/// How a client's connection ended for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Fin,
    Reset,
    /// It left by itself.
    Left,
    /// It waited in vain.
    InVain,
}

/// What a client has seen.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) number: usize,
    pub(crate) asks: Vec<Ask>,
    /// How many octets of its requests the connection took.
    pub(crate) sent: usize,
    pub(crate) octets: Vec<u8>,
    pub(crate) ended: Ended,
    /// It ended its side before the other one did.
    pub(crate) ended_its_side: bool,
    /// How long it was there.
    pub(crate) stayed: Duration,
    /// For how long there was nothing said or heard at its end.
    pub(crate) silent: Duration,
    /// It did not read for a while, and so may not have got what it was answered.
    pub(crate) is_slow: bool,
}

/// What has been read so far.
struct Reading {
    octets: Vec<u8>,
    ended: Option<Ended>,
    /// The methods asked for, in order.
    methods: Vec<&'static str>,
    /// How many final responses are whole.
    whole: usize,
    /// Where the message begins that is being read.
    at: usize,
    /// Its head's octets and its content.
    content: Option<(usize, Scan)>,
    /// A 100 has come for the request at hand.
    is_continued: bool,
    is_tunnel: bool,
    /// What is read is no message: nothing more is understood.
    is_lost: bool,
}

impl Reading {
    /// Understands what it can of what has arrived.
    fn follow(&mut self) {
        while !self.is_tunnel && !self.is_lost {
            match self.follow_one() {
                Ok(true) => {}
                Ok(false) => return,
                // The verdict will say what is wrong with it.
                Err(_) => self.is_lost = true,
            }
        }
    }

    fn follow_one(&mut self) -> Result<bool, String> {
        let rest = &self.octets[self.at..];
        if let Some((head, scan)) = &mut self.content {
            let Some(end) = scan.end(&rest[*head..])? else {
                return Ok(false);
            };
            self.at += *head + end;
            self.content = None;
            self.whole += 1;
            self.is_continued = false;
            return Ok(true);
        }
        let Some(head) = Head::read(rest)? else {
            return Ok(false);
        };
        match head.status()? {
            101 => self.is_tunnel = true,
            100..=199 => {
                self.is_continued = true;
                self.at += head.octets;
            }
            _ => {
                let method = self.methods.get(self.whole).copied().unwrap_or("GET");
                let body: Body = head.response_body(method)?;
                self.content = Some((head.octets, Scan::new(body)));
            }
        }
        Ok(true)
    }
}

/// Plays a client's script over a connection.
pub(crate) async fn play(script: Script, tip: Tip) -> Story {
    let reading = Rc::new(RefCell::new(Reading {
        octets: Vec::new(),
        ended: None,
        methods: script.asks.iter().map(|ask| ask.method).collect(),
        whole: 0,
        at: 0,
        content: None,
        is_continued: false,
        is_tunnel: false,
        is_lost: false,
    }));
    let sent = Cell::new(0);
    let began = clock::now();
    // When something was said or heard last.
    let last = Cell::new(began);
    let mut ended_its_side = false;
    let reads = async {
        clock::sleep(script.reads_after).await;
        loop {
            let mut into = Vec::with_capacity(16 * 1024);
            let ended = match stream::read(&tip, &mut into).await {
                Ok(0) => Some(Ended::Fin),
                Ok(_) => None,
                Err(_) => Some(Ended::Reset),
            };
            if ended.is_none() {
                last.set(clock::now());
            }
            let mut reading = reading.borrow_mut();
            reading.octets.append(&mut into);
            reading.follow();
            reading.ended = ended;
            if ended.is_some() {
                return;
            }
        }
    };
    let writes = async {
        for step in &script.steps {
            match step {
                // There are no requests in a tunnel.
                Step::Send(_) if reading.borrow().is_tunnel => {}
                Step::Send(octets) => {
                    if !send(&tip, octets, &sent).await {
                        break;
                    }
                    if !octets.is_empty() {
                        last.set(clock::now());
                    }
                }
                Step::SendInTunnel(octets) => {
                    if reading.borrow().is_tunnel {
                        send(&tip, octets, &Cell::new(0)).await;
                    }
                }
                Step::Rest(rest) => clock::sleep(*rest).await,
                Step::Await(whole) => {
                    wait(&reading, |it| {
                        it.whole >= *whole || it.is_tunnel || it.is_lost
                    })
                    .await;
                }
                Step::AwaitContinue(most) => {
                    let whole = reading.borrow().whole;
                    let told = wait(&reading, |it| it.is_continued || it.whole > whole);
                    future::or(told, async {
                        clock::sleep(*most).await;
                    })
                    .await;
                }
                Step::End => {
                    ended_its_side = true;
                    let _ = stream::shutdown(&tip).await;
                }
                Step::Leave => return Ended::Left,
                Step::Reset => {
                    tip.abort();
                    return Ended::Left;
                }
            }
        }
        // Everything is said: what is still to come?
        wait(&reading, |_| false).await;
        Ended::Fin
    };
    let patience = async {
        clock::sleep(PATIENCE).await;
        Ended::InVain
    };
    let leaves = async {
        match script.leaves_after {
            Some(after) => clock::sleep(after).await,
            None => future::pending().await,
        }
        Ended::Left
    };
    let reads = async {
        reads.await;
        // The other side has ended; what is still to be sent is not waited for.
        let ended = reading.borrow().ended;
        ended.unwrap_or(Ended::Fin)
    };
    let plays = future::or(future::or(leaves, writes), patience);
    let ended = future::or(reads, plays).await;
    drop(tip);
    let octets = std::mem::take(&mut reading.borrow_mut().octets);
    Story {
        number: script.number,
        asks: script.asks,
        sent: sent.get(),
        octets,
        ended,
        ended_its_side,
        stayed: clock::now() - began,
        silent: clock::now() - last.get(),
        is_slow: script.reads_after > Duration::ZERO,
    }
}

/// Sends octets, and counts those that the connection takes. False: it takes no more.
async fn send(tip: &Tip, octets: &[u8], sent: &Cell<usize>) -> bool {
    let mut rest = octets;
    while !rest.is_empty() {
        let pieces = [IoSlice::new(rest)];
        match poll_fn(|cx| tip.poll_write(cx, &pieces)).await {
            Ok(0) | Err(_) => return false,
            Ok(taken) => {
                sent.set(sent.get() + taken);
                rest = &rest[taken..];
            }
        }
    }
    true
}

/// Waits for something to be true of what was read, or for the end. Both are looked at with every octet, by the same
/// task.
async fn wait(reading: &RefCell<Reading>, is_so: impl Fn(&Reading) -> bool) {
    poll_fn(|_| {
        let reading = reading.borrow();
        match is_so(&reading) || reading.ended.is_some() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
}

impl Script {
    /// A client as the dice make it.
    pub(crate) fn draw(number: usize, dice: &Dice) -> Self {
        let mut asks: Vec<Ask> = Vec::new();
        for turn in 0..dice.between(1, 4) {
            // Once for a tunnel at most: what is sent in it is of that request.
            let may_upgrade = !asks.iter().any(|ask| ask.upgrades);
            asks.push(Ask::draw(&format!("c{number}r{turn}"), may_upgrade, dice));
        }
        let mut steps = Vec::new();
        if dice.chance(4) {
            // Says nothing at all.
            return Self::new(number, asks, steps, dice);
        }
        let mut style = dice.below(5);
        if asks.iter().any(|ask| ask.upgrades) {
            // Whoever asks for a tunnel waits for it.
            style = style.max(1);
        }
        for (place, ask) in asks.iter().enumerate() {
            let whole = [&ask.head[..], &ask.body].concat();
            match style {
                // All at once, waiting for nothing.
                0 => steps.push(Step::Send(whole)),
                // Slowly.
                1 => {
                    for piece in whole.chunks(dice.between(1, whole.len())) {
                        steps.push(Step::Send(piece.to_vec()));
                        steps.push(Step::Rest(dice.millis(0, 400)));
                    }
                    steps.push(Step::Await(place + 1));
                }
                // The head, and later the content.
                2 => {
                    steps.push(Step::Send(ask.head.clone()));
                    steps.push(Step::Rest(dice.millis(0, 3000)));
                    steps.push(Step::Send(ask.body.clone()));
                    steps.push(Step::Await(place + 1));
                }
                _ => {
                    steps.push(Step::Send(ask.head.clone()));
                    if ask.expects {
                        steps.push(Step::AwaitContinue(dice.millis(0, 2000)));
                    }
                    steps.push(Step::Send(ask.body.clone()));
                    steps.push(Step::Await(place + 1));
                }
            }
            if ask.upgrades {
                for _ in 0..dice.below(4) {
                    let octets = talk::pattern(&format!("{}>", ask.tag), dice.between(1, 3000));
                    steps.push(Step::SendInTunnel(octets));
                    steps.push(Step::Rest(dice.millis(0, 2000)));
                }
            }
            if dice.chance(20) {
                steps.push(Step::Rest(dice.millis(0, 9000)));
            }
        }
        if dice.chance(10) {
            // Stops in the middle of something.
            steps.truncate(dice.below(steps.len() + 1));
        }
        steps.extend(match dice.below(12) {
            0 => Some(Step::Leave),
            1 => Some(Step::Reset),
            2 => Some(Step::End),
            _ => None,
        });
        Self::new(number, asks, steps, dice)
    }

    /// Somebody who does this, whatever it means.
    pub(crate) fn of(steps: Vec<Step>) -> Self {
        Self {
            number: 0,
            asks: Vec::new(),
            steps,
            leaves_after: None,
            reads_after: Duration::ZERO,
        }
    }

    fn new(number: usize, asks: Vec<Ask>, steps: Vec<Step>, dice: &Dice) -> Self {
        Self {
            number,
            asks,
            steps,
            leaves_after: dice.chance(25).then(|| dice.millis(0, 5000)),
            reads_after: match dice.chance(10) {
                true => dice.millis(0, 20_000),
                false => Duration::ZERO,
            },
        }
    }
}

impl Ask {
    fn draw(tag: &str, may_upgrade: bool, dice: &Dice) -> Self {
        if dice.chance(4) {
            return Self::garbage(tag, dice);
        }
        let upgrades = dice.chance(8) && may_upgrade;
        let method = match upgrades {
            true => "GET",
            false => dice.pick(&["GET", "GET", "GET", "POST", "POST", "PUT", "HEAD", "DELETE"]),
        };
        let is_old = !upgrades && dice.chance(10);
        let has_body = matches!(method, "POST" | "PUT");
        let content = match has_body {
            true => size(dice),
            false => 0,
        };
        let octets = talk::pattern(tag, content);
        let is_chunked = has_body && !is_old && dice.chance(50);
        let expects = has_body && !is_old && content > 0 && dice.chance(15);
        let version = if is_old { "1.0" } else { "1.1" };
        let mut head = format!(
            "{method} /{tag} HTTP/{version}\r\nHost: sim\r\nX-Tag: {tag}\r\nX-Length: {content}\r\n"
        );
        if is_chunked {
            head.push_str("Transfer-Encoding: chunked\r\n");
        } else if has_body {
            head.push_str(&format!("Content-Length: {content}\r\n"));
        }
        if expects {
            head.push_str("Expect: 100-continue\r\n");
        }
        if upgrades {
            head.push_str("Connection: Upgrade\r\nUpgrade: websocket\r\n");
        } else if is_old && dice.chance(50) {
            head.push_str("Connection: keep-alive\r\n");
        } else if dice.chance(8) {
            head.push_str("Connection: close\r\n");
        }
        if dice.chance(10) {
            head.push_str(&format!(
                "X-Long: {}\r\n",
                "l".repeat(dice.between(1, 5000))
            ));
        }
        if dice.chance(10) {
            head.push_str(&format!("grpc-timeout: {}m\r\n", dice.between(0, 3000)));
        }
        head.push_str("\r\n");
        let sizes: Vec<usize> = (0..3).map(|_| dice.between(1, 4000)).collect();
        Self {
            tag: tag.to_owned(),
            method,
            head: head.into_bytes(),
            body: match is_chunked {
                true => talk::chunked(&octets, &sizes),
                false => octets,
            },
            expects,
            upgrades,
            is_broken: false,
        }
    }

    fn garbage(tag: &str, dice: &Dice) -> Self {
        let count = dice.between(1, 200);
        let head = match dice.below(4) {
            0 => dice.octets(count),
            1 => b"GET / HTTP/1.1\r\nHost : x\r\n\r\n".to_vec(),
            2 => format!("POST /{tag} HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\nx").into_bytes(),
            _ => format!("PUT /{tag} HTTP/1.1\r\nHost: x\r\nX-Tag: {tag}\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n")
                .into_bytes(),
        };
        Self {
            tag: tag.to_owned(),
            method: "GET",
            head,
            body: Vec::new(),
            expects: false,
            upgrades: false,
            is_broken: true,
        }
    }
}

/// How large some content is.
pub(crate) fn size(dice: &Dice) -> usize {
    match dice.below(10) {
        0 => 0,
        1..=5 => dice.between(1, 300),
        6..=8 => dice.between(1, 255) * 40,
        _ => dice.between(1, 255) * 600,
    }
}

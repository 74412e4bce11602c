//! Origins: what they read, what they say to it, and everything that can be wrong with both.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io::IoSlice;
use std::rc::Rc;
use std::time::Duration;

use osier::clock;
use osier::net::stream::{self, Stream};

use super::client::size;
use super::dice::Dice;
use super::talk::{self, Head, Scan};
use super::wire::Tip;

/// What all origins of one run have seen. Cloned, it is the same.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Rc<RefCell<Seen>>);

#[derive(Default)]
struct Seen {
    /// How many request heads came, by tag.
    heads: BTreeMap<String, usize>,
    /// How many came at all.
    count: usize,
    /// What was wrong with them.
    faults: Vec<String>,
}

impl Ledger {
    /// How many origins saw a request of this tag.
    pub(crate) fn heads(&self, tag: &str) -> usize {
        self.0.borrow().heads.get(tag).copied().unwrap_or(0)
    }

    /// What was wrong with what they were sent.
    pub(crate) fn faults(&self) -> Vec<String> {
        self.0.borrow().faults.clone()
    }

    /// Something was wrong.
    pub(crate) fn fault(&self, what: String) {
        self.0.borrow_mut().faults.push(what);
    }
}

/// What an origin is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Temper {
    /// How many times of a hundred it does something that it should not.
    pub(crate) misery: usize,
    /// How many times of a hundred it is slow.
    pub(crate) sloth: usize,
    /// It keeps its connections for so long; `None`: until the other side closes.
    pub(crate) idles_for: Option<Duration>,
}

/// What an origin does with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Answers,
    /// Without having read the content.
    AnswersEarly,
    Never,
    Garbage,
    /// Closes, or resets, before a word.
    Closes,
    ClosesInHead,
    ClosesInBody,
    /// Says more than it was asked for.
    SaysMore,
    /// Interim responses without an end.
    Floods,
    /// Switches protocols, asked or not.
    Switches,
    /// Frames its response in two ways.
    Contradicts,
}

/// Serves one connection.
pub(crate) async fn serve(tip: Tip, temper: Temper, dice: Dice, ledger: Ledger) {
    let mut origin = Origin {
        tip,
        temper,
        dice,
        ledger,
        input: Vec::new(),
    };
    while origin.exchange().await.is_some() {}
}

struct Origin {
    tip: Tip,
    temper: Temper,
    dice: Dice,
    ledger: Ledger,
    input: Vec<u8>,
}

impl Origin {
    /// One request and what is said to it. `None`: the connection is over.
    async fn exchange(&mut self) -> Option<()> {
        let head = self.head().await?;
        let tag = head.field("x-tag").unwrap_or_default().to_owned();
        self.judge(&head, &tag);
        let body = match head.request_body() {
            Ok(body) => body,
            Err(why) => {
                self.ledger.fault(format!("{tag}: {why}"));
                return None;
            }
        };
        let attempt = {
            let mut seen = self.ledger.0.borrow_mut();
            seen.count += 1;
            *seen.heads.entry(tag.clone()).or_default() += 1;
            seen.count
        };
        let mood = self.mood(&head);
        if matches!(mood, Mood::AnswersEarly | Mood::Never | Mood::Closes) {
            self.answer(&head, &tag, attempt, mood).await?;
            // It keeps the connection: what comes next on it is the rest of this request and nothing else.
            return self.content(&head, &tag, body).await;
        }
        if head.field("expect").is_some() && self.dice.chance(70) {
            self.say(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        self.content(&head, &tag, body).await?;
        self.answer(&head, &tag, attempt, mood).await
    }

    /// Reads the content to its end.
    async fn content(&mut self, head: &Head, tag: &str, body: talk::Body) -> Option<()> {
        let mut scan = Scan::new(body);
        let end = loop {
            match scan.end(&self.input) {
                Ok(Some(end)) => break end,
                Ok(None) => {}
                Err(why) => {
                    self.ledger.fault(format!("{tag}: {why}"));
                    return None;
                }
            }
            if self.more().await.is_none() {
                self.check_content(tag, head, body, false);
                return None;
            }
        };
        self.check_content(tag, head, body, true);
        self.input.drain(..end);
        Some(())
    }

    /// Reads a head.
    async fn head(&mut self) -> Option<Head> {
        loop {
            match Head::read(&self.input) {
                Ok(Some(head)) => {
                    self.input.drain(..head.octets);
                    return Some(head);
                }
                Ok(None) => {}
                Err(why) => {
                    self.ledger.fault(format!("an origin was sent {why}"));
                    return None;
                }
            }
            match self.temper.idles_for.filter(|_| self.input.is_empty()) {
                None => self.more().await?,
                Some(most) => {
                    let tired = async {
                        clock::sleep(most).await;
                        None
                    };
                    futures_lite::future::or(self.more(), tired).await?;
                }
            }
        }
    }

    /// What must hold of every head that osier writes.
    fn judge(&self, head: &Head, tag: &str) {
        let fault = |what: &str| self.ledger.fault(format!("{tag}: {what}: {head:?}"));
        let target = head.start.split(' ').nth(1).unwrap_or_default();
        if tag.is_empty() || (target != format!("/{tag}") && target != "/may") {
            fault("a request that is not of its tag");
        }
        if !head.start.ends_with(" HTTP/1.1") {
            fault("another version");
        }
        for (name, count) in [("host", 1), ("x-tag", 1), ("keep-alive", 0), ("x-long", 1)] {
            if head.count(name) > count || (name == "host" && head.count(name) == 0) {
                fault(name);
            }
        }
        if head.has_option("close") {
            fault("a connection that is to be closed");
        }
    }

    /// Content is the request's own, and as long as it was said to be.
    fn check_content(&self, tag: &str, head: &Head, body: talk::Body, is_whole: bool) {
        let content = match body.read(&self.input) {
            Ok(content) => content,
            Err(why) => return self.ledger.fault(format!("{tag}: {why}")),
        };
        // The one who asks for leave has no content of its own.
        let length = match head.start.starts_with("GET /may ") {
            true => Some(0),
            false => head.field("x-length").and_then(|it| it.parse().ok()),
        };
        let length: usize = length.unwrap_or(0);
        if content.octets != talk::pattern(tag, content.octets.len()) {
            self.ledger
                .fault(format!("{tag}: content of another request's"));
        }
        if content.octets.len() > length || (is_whole && content.octets.len() != length) {
            let count = content.octets.len();
            self.ledger
                .fault(format!("{tag}: {count} octets of content, of {length}"));
        }
    }

    fn mood(&self, head: &Head) -> Mood {
        if head.field("upgrade").is_some() && self.dice.chance(70) {
            return Mood::Switches;
        }
        if !self.dice.chance(self.temper.misery) {
            return match self.dice.chance(5) {
                true => Mood::AnswersEarly,
                false => Mood::Answers,
            };
        }
        self.dice.pick(&[
            Mood::AnswersEarly,
            Mood::Never,
            Mood::Garbage,
            Mood::Closes,
            Mood::Closes,
            Mood::ClosesInHead,
            Mood::ClosesInBody,
            Mood::ClosesInBody,
            Mood::SaysMore,
            Mood::Floods,
            Mood::Switches,
            Mood::Contradicts,
        ])
    }

    /// Says what it says. `None`: and closes.
    async fn answer(&mut self, head: &Head, tag: &str, attempt: usize, mood: Mood) -> Option<()> {
        if self.dice.chance(self.temper.sloth) {
            clock::sleep(self.dice.millis(1, 6000)).await;
        }
        match mood {
            Mood::Never => {
                while self.more().await.is_some() {}
                return None;
            }
            Mood::Closes => return self.close(),
            Mood::Garbage => {
                let octets = self.dice.octets(self.dice.below(100));
                self.say(b"HTTP/1.1 2x0").await?;
                self.say(&octets).await?;
                return self.close();
            }
            Mood::Floods => loop {
                self.say(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
                    .await?;
            },
            Mood::Switches => return self.tunnel(tag, attempt).await,
            _ => {}
        }
        for _ in 0..self.dice.below(12).saturating_sub(9) {
            self.say(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
                .await?;
        }
        let method = head.start.split(' ').next().unwrap_or_default();
        let response = Response::draw(tag, attempt, method, mood, &self.dice);
        let octets = match mood {
            Mood::ClosesInHead => &response.head[..self.dice.below(response.head.len())],
            _ => &response.head[..],
        };
        self.say(octets).await?;
        if mood == Mood::ClosesInHead {
            return self.close();
        }
        let most = match mood {
            Mood::ClosesInBody => self.dice.below(response.body.len() + 1),
            _ => response.body.len(),
        };
        let piece = match self.dice.below(4) {
            0 => self.dice.between(1, 500),
            _ => response.body.len().max(1),
        };
        for piece in response.body[..most].chunks(piece) {
            self.say(piece).await?;
            if self.dice.chance(self.temper.sloth / 8) {
                clock::sleep(self.dice.millis(1, 6000)).await;
            }
        }
        // What comes later than the response's end may come behind the next request: nobody can tell then.
        if mood == Mood::SaysMore && !response.is_until_close && self.tip.takes_all_at_once() {
            self.say(b"HTTP/1.1 200 OK\r\nX-Tag: poison\r\nContent-Length: 6\r\n\r\npoison")
                .await?;
        }
        if mood == Mood::ClosesInBody {
            return match most < response.body.len() || response.is_until_close {
                // What ends with the connection ends well by a FIN only.
                true if response.is_until_close => {
                    self.tip.abort();
                    None
                }
                _ => self.close(),
            };
        }
        if response.closes || (mood == Mood::AnswersEarly && self.dice.chance(50)) {
            if self.dice.chance(50) {
                // Reads on for a while, so that nobody is reset.
                let _ = stream::shutdown(&self.tip).await;
                while self.more().await.is_some() {}
            }
            return None;
        }
        Some(())
    }

    fn close(&self) -> Option<()> {
        if self.dice.chance(50) {
            self.tip.abort();
        }
        None
    }

    /// Another protocol: it says some, takes some, and ends.
    async fn tunnel(&mut self, tag: &str, attempt: usize) -> Option<()> {
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nX-Tag: {tag}\r\nX-Attempt: {attempt}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        );
        self.say(head.as_bytes()).await?;
        let own = talk::pattern(&format!("{tag}<{attempt}"), self.dice.between(1, 6000));
        let mut taken = 0;
        for piece in own.chunks(self.dice.between(1, 2000)) {
            self.say(piece).await?;
            if self.dice.chance(30) {
                clock::sleep(self.dice.millis(1, 3000)).await;
            }
            if self.dice.chance(50) && taken == 0 {
                self.more().await?;
                taken = self.input.len();
            }
        }
        if self.dice.chance(50) {
            let _ = stream::shutdown(&self.tip).await;
            while self.more().await.is_some() {}
        }
        // A client repeats its pattern with each piece it sends.
        let mark = format!("{tag}>|");
        let is_strange = |octet: &u8| !mark.as_bytes().contains(octet);
        if let Some(at) = self.input.iter().position(is_strange) {
            let strange = String::from_utf8_lossy(&self.input[at..]);
            self.ledger.fault(format!(
                "{tag}: a tunnel has octets of somebody else's: {strange:.100}"
            ));
        }
        self.close()
    }

    /// Reads on. `None`: there is nothing more.
    async fn more(&mut self) -> Option<()> {
        let mut into = Vec::with_capacity(4096);
        match stream::read(&self.tip, &mut into).await {
            Ok(0) | Err(_) => None,
            Ok(_) => {
                self.input.append(&mut into);
                Some(())
            }
        }
    }

    async fn say(&self, octets: &[u8]) -> Option<()> {
        let mut count = 0;
        while count < octets.len() {
            let pieces = [IoSlice::new(&octets[count..])];
            match poll_fn(|cx| self.tip.poll_write(cx, &pieces)).await {
                Ok(0) | Err(_) => return None,
                Ok(taken) => count += taken,
            }
        }
        Some(())
    }
}

/// A response, ready to be sent.
struct Response {
    head: Vec<u8>,
    body: Vec<u8>,
    is_until_close: bool,
    closes: bool,
}

impl Response {
    fn draw(tag: &str, attempt: usize, method: &str, mood: Mood, dice: &Dice) -> Self {
        let status = dice.pick(&[200, 200, 200, 200, 200, 204, 304, 404, 500, 503]);
        let has_content = method != "HEAD" && !matches!(status, 204 | 304);
        let length = size(dice);
        let content = talk::pattern(&format!("{tag}.{attempt}"), length);
        let mut head = format!(
            "HTTP/1.1 {status} Said\r\nX-Tag: {tag}\r\nX-Attempt: {attempt}\r\nX-Length: {length}\r\n"
        );
        let way = match has_content {
            true => dice.below(3),
            false => 0,
        };
        let sizes: Vec<usize> = (0..3).map(|_| dice.between(1, 4000)).collect();
        let mut body = match way {
            0 => {
                if status != 204 {
                    head.push_str(&format!("Content-Length: {length}\r\n"));
                }
                content
            }
            1 => {
                head.push_str("Transfer-Encoding: chunked\r\n");
                talk::chunked(&content, &sizes)
            }
            _ => content,
        };
        if mood == Mood::Contradicts {
            head.push_str("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n");
        }
        if !has_content {
            body.clear();
        }
        let closes = way == 2 || dice.chance(10);
        if closes && dice.chance(50) {
            head.push_str("Connection: close\r\n");
        }
        head.push_str("\r\n");
        Self {
            head: head.into_bytes(),
            body,
            is_until_close: way == 2,
            closes,
        }
    }
}

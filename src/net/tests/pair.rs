use std::task::{Context, Poll, Waker};

use futures_lite::io::Cursor;

use crate::net::pair::Pair;
use crate::net::stream::{Hangup, Stream};

#[test]
fn an_end_is_seen_without_losing_what_is_in_front_of_it() {
    let pair = Pair::new(Cursor::new(b"GET /".to_vec()), Vec::new());
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(
        pair.poll_hangup(&mut cx),
        Poll::Ready(Hangup::EndedBehind(5))
    );
    let mut into = Vec::with_capacity(3);
    assert!(matches!(
        pair.poll_read(&mut cx, &mut into),
        Poll::Ready(Ok(3))
    ));
    into.reserve(8);
    assert!(matches!(
        pair.poll_read(&mut cx, &mut into),
        Poll::Ready(Ok(2))
    ));
    assert_eq!(into, b"GET /");
    assert_eq!(pair.poll_hangup(&mut cx), Poll::Ready(Hangup::Ended));
    assert!(matches!(
        pair.poll_read(&mut cx, &mut into),
        Poll::Ready(Ok(0))
    ));
    assert!(
        matches!(pair.poll_read(&mut cx, &mut into), Poll::Ready(Ok(0))),
        "and again"
    );
}

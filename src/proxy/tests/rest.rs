use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use crate::clock::TestClock;
use crate::proxy::rest::Rest;

#[test]
fn rest_is_reached_once_after_the_start_and_after_requests_that_have_stopped() {
    let clock = TestClock::install();
    let mut cx = Context::from_waker(Waker::noop());
    let rest = Rest::default();
    {
        let mut begun = pin!(rest.reached());
        assert!(begun.as_mut().poll(&mut cx).is_pending());
        clock.advance(Duration::from_millis(500));
        assert!(begun.as_mut().poll(&mut cx).is_ready(), "nobody has come");
    }
    rest.stir();
    {
        let mut reached = pin!(rest.reached());
        let mut is_reached = || reached.as_mut().poll(&mut cx).is_ready();
        assert!(!is_reached(), "one has come");
        for _ in 0..5 {
            rest.stir();
            assert!(!is_reached());
            clock.advance(Duration::from_secs(9));
            assert!(!is_reached());
        }
        clock.advance(Duration::from_secs(20));
        // The last of them came after the last look; it is looked once more.
        assert!(!is_reached());
        clock.advance(Duration::from_secs(10));
        assert!(is_reached());
    }
    let mut again = pin!(rest.reached());
    assert!(again.as_mut().poll(&mut cx).is_pending());
    clock.advance(Duration::from_secs(3600));
    assert!(again.as_mut().poll(&mut cx).is_pending(), "once is enough");
}

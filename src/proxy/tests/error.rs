use std::io;
use std::time::Duration;

use crate::metrics::Cause;
use crate::proxy::error::{Error, Phase, Retry, Side, What};
use crate::proxy::timeout::Timeout;

fn all() -> Vec<What> {
    let timeouts = [
        Timeout::Request,
        Timeout::Total,
        Timeout::Header,
        Timeout::Idle,
        Timeout::ClientBody,
        Timeout::OriginBody,
        Timeout::Connect,
        Timeout::Response,
        Timeout::Tunnel,
        Timeout::TunnelMax,
        Timeout::Linger,
        Timeout::Asked,
        Timeout::Try,
        Timeout::Queue,
        Timeout::Errand,
        Timeout::Verify,
    ];
    let others = [
        What::Gone,
        What::Io(io::ErrorKind::ConnectionRefused.into()),
        What::Drain,
        What::Canceled("by hand: now".to_owned()),
        What::Sin {
            name: "bad_length".into(),
            status: 400,
        },
        What::Rejected("no: not that".to_owned()),
        What::Config("a field".to_owned()),
        What::BodyLimit,
        What::NoRoute,
        What::Limited {
            retry_after: Duration::ZERO,
        },
        What::NoEndpoint,
        What::QueueFull,
        What::Status(503),
        What::Denied,
        What::Unauthorized,
        What::AuthQueueFull,
        What::Shed,
    ];
    let timeouts = timeouts.into_iter().map(What::Timeout);
    timeouts.chain(others).collect()
}

#[test]
fn what_is_counted_is_what_the_log_says_up_to_the_colon() {
    for side in [Side::Client, Side::Gateway, Side::Origin] {
        for phase in [Phase::Connect, Phase::Await] {
            for what in all() {
                let error = Error {
                    side,
                    phase,
                    retry: Retry::Never,
                    what,
                };
                let said = error.cause().into_owned();
                let word = said.split(':').next().unwrap();
                let expected = match (&error.what, side) {
                    (What::Sin { .. }, Side::Client | Side::Gateway) => "client_protocol",
                    _ => word,
                };
                assert_eq!(error.counted().word(), expected, "{error:?}");
            }
        }
    }
}

#[test]
fn each_cause_is_at_its_place_and_its_word_is_its_own() {
    for (place, (cause, word)) in Cause::ALL.into_iter().enumerate() {
        assert_eq!(cause as usize, place, "{word}");
        assert_eq!(cause.word(), word);
        let same = Cause::ALL.iter().filter(|(_, other)| *other == word);
        assert_eq!(same.count(), 1, "{word}");
    }
}

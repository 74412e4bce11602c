use crate::runtime::unpark::Unpark;

#[test]
fn a_wake_before_the_wait_keeps_it_from_beginning() {
    let unpark = Unpark::new().unwrap();
    unpark.unpark();
    assert!(!unpark.park(), "something was scheduled");
    unpark.resume();
    assert!(unpark.park());
}

#[test]
fn only_a_wake_that_finds_it_parked_writes_to_the_eventfd() {
    let unpark = Unpark::new().unwrap();
    let written = |unpark: &Unpark| rustix::io::read(unpark, &mut [0_u8; 8]).is_ok();
    unpark.unpark();
    assert!(!written(&unpark));
    unpark.resume();
    assert!(unpark.park());
    unpark.unpark();
    unpark.unpark();
    assert!(written(&unpark), "the first one wrote");
    assert!(!written(&unpark), "the second one had no need to");
}

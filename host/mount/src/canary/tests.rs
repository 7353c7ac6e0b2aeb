use airlock_logical::Json;

use super::*;

#[test]
fn an_answer_is_kept_only_if_it_is_small_enough() {
    let permits = Arc::new(Semaphore::new(1));
    let kept = |largest, data: &str| {
        let trial = Trial::with(
            Kind::Request,
            permits.clone().try_acquire_owned().unwrap(),
            largest,
        );
        trial.answered(&Ok(Some(Box::new(types::Response {
            data: Json::from_text(data.to_owned()),
            ..types::Response::default()
        }))));
        trial.end().1.is_some()
    };
    assert!(kept(10, r#"{"a":"12"}"#));
    assert!(!kept(10, r#"{"a":"123"}"#));
    let refused = |largest| {
        let trial = Trial::with(
            Kind::Request,
            permits.clone().try_acquire_owned().unwrap(),
            largest,
        );
        trial.answered(&Err(CallError::Guest(types::Error::User("no".to_owned()))));
        trial.end().1.is_some()
    };
    assert!(refused(2) && !refused(1));
}

//! Sends an engine's own HTTP answer, which it gives with `http_status_code` and related fields in its data.

use vault_core::OwnAnswer;

use crate::answer::Answer;

/// Returns the answer, or Vault's empty 500 with a header that says what is wrong with it.
pub(crate) fn answer(own: Result<OwnAnswer<'_>, &'static str>) -> Answer {
    let own = match own {
        Ok(own) => own,
        Err(why) => return Answer::empty(500).with_header("x-vault-raw-error", why),
    };
    let mut answer = Answer::empty(own.status);
    answer.body = own.body.into();
    let content_type = own.content_type.map(|value| ("content-type", value));
    for (name, value) in content_type.into_iter().chain(own.headers) {
        answer = answer.with_header(name, value);
    }
    answer
}

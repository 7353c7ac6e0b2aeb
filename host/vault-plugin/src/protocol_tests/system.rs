//! The clients of the system view and of the event bus, against doubles that keep their requests.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use go_plugin::Services;
use parking_lot::Mutex;
use prost_types::Timestamp;
use tonic::{Request, Response, Status};

use super::server::connect;
use tokio_util::sync::CancellationToken;

use crate::link::Link;
use crate::proto::pb::events_server::EventsServer;
use crate::proto::pb::observations_server::ObservationsServer;
use crate::proto::pb::system_view_server::SystemViewServer;
use crate::proto::{logical, pb};
use crate::{
    Event, Events, Json, Observations, Report, RotationJob, RotationSchedule, ServerError, SystemView,
};

/// Keeps the last request of each kind.
#[derive(Clone, Default)]
struct Double(Arc<Asked>);

#[derive(Default)]
struct Asked {
    wrap: Mutex<Option<pb::ResponseWrapDataArgs>>,
    token: Mutex<Option<pb::GenerateIdentityTokenRequest>>,
    job: Mutex<Option<pb::RotationJobInput>>,
    event: Mutex<Option<pb::SendEventRequest>>,
    observation: Mutex<Option<pb::RecordObservationRequest>>,
}

impl Double {
    async fn link(&self) -> Arc<Link> {
        let services = Services::new()
            .with(SystemViewServer::new(self.clone()))
            .with(EventsServer::new(self.clone()))
            .with(ObservationsServer::new(self.clone()));
        Arc::new(Link::new(connect(services).await, CancellationToken::new()))
    }

    async fn system(&self) -> SystemView {
        SystemView::new(self.link().await)
    }
}

#[async_trait]
impl pb::system_view_server::SystemView for Double {
    async fn response_wrap_data(
        &self,
        request: Request<pb::ResponseWrapDataArgs>,
    ) -> Result<Response<pb::ResponseWrapDataReply>, Status> {
        let args = request.into_inner();
        let creation_time = Some(Timestamp { seconds: 1, nanos: 0 });
        let info = pb::ResponseWrapInfo {
            ttl: args.ttl,
            token: "wrapping".into(),
            creation_time,
            ..Default::default()
        };
        *self.0.wrap.lock() = Some(args);
        Ok(Response::new(pb::ResponseWrapDataReply {
            wrap_info: Some(info),
            err: String::new(),
        }))
    }

    async fn generate_identity_token(
        &self,
        request: Request<pb::GenerateIdentityTokenRequest>,
    ) -> Result<Response<pb::GenerateIdentityTokenResponse>, Status> {
        *self.0.token.lock() = Some(request.into_inner());
        Ok(Response::new(pb::GenerateIdentityTokenResponse {
            token: "jwt".into(),
            ttl: 30,
        }))
    }

    async fn get_rotation_information(
        &self,
        _: Request<pb::RotationInfoRequest>,
    ) -> Result<Response<pb::RotationInfoReply>, Status> {
        Ok(Response::new(pb::RotationInfoReply {
            issue_time: 10,
            expire_time: 20,
            ttl: 10,
        }))
    }

    async fn register_rotation_job_with_response(
        &self,
        request: Request<pb::RegisterRotationJobRequest>,
    ) -> Result<Response<pb::RegisterRotationJobWithResponseReply>, Status> {
        *self.0.job.lock() = request.into_inner().job;
        let info = pb::RotationInfo {
            rotation_id: "job".into(),
            next_vault_rotation: 20,
            last_vault_rotation: 10,
        };
        Ok(Response::new(pb::RegisterRotationJobWithResponseReply {
            info: Some(info),
            err: String::new(),
        }))
    }

    async fn entity_info(
        &self,
        request: Request<pb::EntityInfoArgs>,
    ) -> Result<Response<pb::EntityInfoReply>, Status> {
        let reply = match request.into_inner().entity_id.as_str() {
            "broken" => pb::EntityInfoReply {
                entity: None,
                err: "no identity store".into(),
            },
            "known" => pb::EntityInfoReply {
                entity: Some(logical::Entity {
                    name: "ada".into(),
                    ..Default::default()
                }),
                err: String::new(),
            },
            _ => pb::EntityInfoReply::default(),
        };
        Ok(Response::new(reply))
    }
}

#[async_trait]
impl pb::events_server::Events for Double {
    async fn send_event(
        &self,
        request: Request<pb::SendEventRequest>,
    ) -> Result<Response<pb::Empty>, Status> {
        *self.0.event.lock() = Some(request.into_inner());
        Ok(Response::new(pb::Empty {}))
    }
}

#[async_trait]
impl pb::observations_server::Observations for Double {
    async fn record_observation(
        &self,
        request: Request<pb::RecordObservationRequest>,
    ) -> Result<Response<pb::Empty>, Status> {
        *self.0.observation.lock() = Some(request.into_inner());
        Ok(Response::new(pb::Empty {}))
    }
}

#[tokio::test]
async fn wrapping_sends_the_data_unchanged_and_nanoseconds() {
    let double = Double::default();
    let data = Json::from_text(r#"{"n": 1.10}"#).unwrap();
    let wrapped = double
        .system()
        .await
        .response_wrap_data(data, Duration::from_secs(60))
        .await
        .unwrap();
    let asked = double.0.wrap.lock().take().unwrap();
    assert_eq!(
        (asked.data.as_str(), asked.ttl, asked.jwt),
        (r#"{"n": 1.10}"#, 60_000_000_000, false)
    );
    assert_eq!(
        (wrapped.token.as_str(), wrapped.ttl),
        ("wrapping", 60_000_000_000)
    );
    let creation_time = wrapped.creation_time.unwrap();
    assert_eq!((creation_time.seconds, creation_time.nanoseconds), (1, 0));
}

#[tokio::test]
async fn data_that_is_no_object_is_not_sent_to_be_wrapped() {
    let double = Double::default();
    let wrapped = double
        .system()
        .await
        .response_wrap_data(Json::from_text("1").unwrap(), Duration::ZERO)
        .await;
    assert_eq!(
        Report::new(&wrapped.unwrap_err()).to_string(),
        "the data cannot be wrapped: not a JSON object"
    );
    assert!(double.0.wrap.lock().is_none());
}

#[tokio::test]
async fn identity_tokens_and_rotation_count_in_seconds() {
    let double = Double::default();
    let system = double.system().await;
    let token = system
        .generate_identity_token("audience", Duration::from_millis(90_500))
        .await
        .unwrap();
    assert_eq!(double.0.token.lock().take().unwrap().ttl, 90);
    assert_eq!(
        (token.token.as_str(), token.ttl),
        ("jwt", Duration::from_secs(30))
    );

    let info = system.rotation_information("path").await.unwrap();
    assert_eq!(info.last, Some(UNIX_EPOCH + Duration::from_secs(10)));
    assert_eq!(info.next, Some(UNIX_EPOCH + Duration::from_secs(20)));
}

#[tokio::test]
async fn rotation_jobs_carry_either_schedule() {
    let double = Double::default();
    let system = double.system().await;
    let job = |schedule| RotationJob {
        name: "job".into(),
        path: "path".into(),
        schedule,
        ..RotationJob::default()
    };
    let every = job(RotationSchedule::Every(Duration::from_secs(60)));
    assert_eq!(
        system
            .register_rotation_job_with_response(every)
            .await
            .unwrap()
            .id,
        "job"
    );
    let asked = double.0.job.lock().take().unwrap();
    assert_eq!(
        (
            asked.rotation_period,
            asked.rotation_window,
            asked.rotation_schedule.as_str()
        ),
        (60, 0, "")
    );

    let cron = RotationSchedule::Cron {
        expression: "0 0 * * SAT".into(),
        window: Duration::from_secs(3600),
    };
    system
        .register_rotation_job_with_response(job(cron))
        .await
        .unwrap();
    let asked = double.0.job.lock().take().unwrap();
    assert_eq!(
        (
            asked.rotation_period,
            asked.rotation_window,
            asked.rotation_schedule.as_str()
        ),
        (0, 3600, "0 0 * * SAT")
    );
}

#[tokio::test]
async fn answers_and_their_errors_are_told_apart() {
    let system = Double::default().system().await;
    assert_eq!(system.entity_info("known").await.unwrap().unwrap().name, "ada");
    assert_eq!(system.entity_info("unknown").await.unwrap(), None);
    let error = system.entity_info("broken").await.unwrap_err();
    assert_eq!(error.to_string(), "entity info failed: no identity store");
    assert!(matches!(
        system.tainted().await,
        Err(ServerError::Unsupported("tainted"))
    ));
}

#[tokio::test]
async fn an_event_arrives_with_an_id_of_its_own() {
    let double = Double::default();
    let events = Events::new(double.link().await);
    let event = Event {
        metadata: Json::from_text(r#"{"path":"a"}"#),
        entity_ids: vec!["ada".into()],
        note: "n".into(),
        ..Event::default()
    };
    events.send("probe/happened", event.clone()).await.unwrap();
    let sent = double.0.event.lock().take().unwrap();
    let data = sent.event.unwrap();
    assert_eq!(
        (sent.event_type.as_str(), data.note.as_str()),
        ("probe/happened", "n")
    );
    assert_eq!((data.id.len(), data.entity_ids), (36, vec!["ada".to_owned()]));
    assert!(data.metadata.unwrap().fields.contains_key("path"));

    events
        .send(
            "probe/happened",
            Event {
                id: "mine".into(),
                ..event
            },
        )
        .await
        .unwrap();
    assert_eq!(double.0.event.lock().take().unwrap().event.unwrap().id, "mine");
}

#[tokio::test]
async fn an_observation_arrives() {
    let double = Double::default();
    let observations = Observations::new(double.link().await);
    observations
        .record("probe/seen", &Json::from_text(r#"{"n":1}"#).unwrap())
        .await
        .unwrap();
    let sent = double.0.observation.lock().take().unwrap();
    assert_eq!(sent.observation_type, "probe/seen");
    assert!(sent.data.unwrap().fields.contains_key("n"));
}

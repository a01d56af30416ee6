//! Parts of results that a node gives to a client itself: whoever brings the ticket that the server issued for one.

use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightService;
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
};
use engine::Error;
use engine::config::Config;
use engine::distributed;
use engine::session::Sessions;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::service::{Tickets, What, carried, encode, status, transport};

/// Messages that wait for a slow reader.
const WAITING: usize = 2;

/// The part of Flight that a node speaks.
#[derive(Debug)]
pub struct Giver {
    sessions: Arc<Sessions>,
    tickets: Tickets,
    /// How long a part may take.
    most: Option<Duration>,
}

impl Giver {
    /// Gives what `sessions` reach, as long as the statement timeout of `config` allows.
    pub fn new(sessions: &Arc<Sessions>, config: &Config) -> Self {
        let limits = &config.server.limits;
        let lifetime = Duration::from_secs(limits.ticket_lifetime_s);
        let most = limits.statement_timeout_s;
        Self {
            sessions: Arc::clone(sessions),
            tickets: Tickets::of_cluster(config.cluster.token.as_deref(), lifetime),
            most: (most > 0).then(|| Duration::from_secs(most)),
        }
    }
}

/// The stream of a call that a node does not answer.
type Nothing<T> = BoxStream<'static, Result<T, Status>>;

fn elsewhere<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented(
        "a node gives parts of results that its server issued tickets for; everything else is asked of the server",
    ))
}

#[tonic::async_trait]
impl FlightService for Giver {
    type HandshakeStream = Nothing<HandshakeResponse>;
    type ListFlightsStream = Nothing<FlightInfo>;
    type DoGetStream = BoxStream<'static, Result<FlightData, Status>>;
    type DoPutStream = Nothing<PutResult>;
    type DoActionStream = Nothing<arrow_flight::Result>;
    type ListActionsStream = Nothing<ActionType>;
    type DoExchangeStream = Nothing<FlightData>;

    async fn do_get(
        &self,
        request: Request<Ticket>,
    ) -> Result<Response<Self::DoGetStream>, Status> {
        let ticket = self
            .tickets
            .read_from_anybody(&request.into_inner().ticket)?;
        let Some(What::Part(plan)) = ticket.what else {
            return Err(Status::invalid_argument(
                "this ticket is not for a node: fetch it where it was issued",
            ));
        };
        let rows = distributed::compute(&self.sessions, &plan).map_err(status)?;
        let schema = transport::schema(&rows.schema());
        let mut messages = encode(schema, rows.map_err(Error::from).boxed());
        let (send, receive) = mpsc::channel(WAITING);
        let most = self.most;
        // Here and not where the answer is read: that thread answers others too.
        tokio::spawn(async move {
            let gone = send.clone();
            let giving = async move {
                while let Some(message) = messages.next().await {
                    if send.send(message).await.is_err() {
                        break;
                    }
                }
            };
            let limited = async {
                match most {
                    None => giving.await,
                    Some(most) => {
                        if timeout(most, giving).await.is_err() {
                            let late = format!("this part took longer than {} s", most.as_secs());
                            let _ = gone.send(Err(Status::deadline_exceeded(late))).await;
                        }
                    }
                }
            };
            tokio::select! {
                () = limited => {}
                // Nobody reads any more.
                () = gone.closed() => {}
            }
        });
        Ok(carried(ReceiverStream::new(receive).boxed()))
    }

    async fn handshake(
        &self,
        _: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        elsewhere()
    }

    async fn list_flights(
        &self,
        _: Request<Criteria>,
    ) -> Result<Response<Self::ListFlightsStream>, Status> {
        elsewhere()
    }

    async fn get_flight_info(
        &self,
        _: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        elsewhere()
    }

    async fn poll_flight_info(
        &self,
        _: Request<FlightDescriptor>,
    ) -> Result<Response<PollInfo>, Status> {
        elsewhere()
    }

    async fn get_schema(
        &self,
        _: Request<FlightDescriptor>,
    ) -> Result<Response<SchemaResult>, Status> {
        elsewhere()
    }

    async fn do_put(
        &self,
        _: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoPutStream>, Status> {
        elsewhere()
    }

    async fn do_exchange(
        &self,
        _: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        elsewhere()
    }

    async fn do_action(
        &self,
        _: Request<Action>,
    ) -> Result<Response<Self::DoActionStream>, Status> {
        elsewhere()
    }

    async fn list_actions(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<Self::ListActionsStream>, Status> {
        elsewhere()
    }
}

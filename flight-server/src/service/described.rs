//! FlightInfo: what a descriptor asks for, and where its rows are fetched.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::Schema;
use arrow_flight::sql::Command;
use arrow_flight::{FlightDescriptor, FlightEndpoint, FlightInfo, Location, Ticket};
use bytes::Bytes;
use engine::distributed::Part;
use engine::session::ENDPOINTS;
use tonic::Status;

use super::ingest::no_transactions;
use super::rpc::{Call, Service};
use super::status::status;
use super::ticket::{Tickets, What};
use super::{command, metadata, statement, transport};

impl Service {
    /// What a descriptor asks for, as a schema and a ticket.
    pub(super) async fn described(
        &self,
        call: &Call,
        descriptor: &FlightDescriptor,
    ) -> Result<(Arc<Schema>, What, Vec<Part>), Status> {
        let command = command::of_descriptor(descriptor)?;
        let (text, parameters) = match &command {
            Command::CommandStatementQuery(query) => {
                if query.transaction_id.is_some() {
                    return Err(no_transactions());
                }
                (query.query.clone(), None)
            }
            Command::CommandPreparedStatementQuery(query) => {
                let handle = &query.prepared_statement_handle;
                let prepared = self.server.prepared.get(handle, &call.caller.user)?;
                (prepared.statement, prepared.parameters)
            }
            Command::CommandStatementSubstraitPlan(_) => {
                return Err(Status::unimplemented("Substrait plans: send SQL"));
            }
            other => {
                let schema = metadata::schema(other)?;
                return Ok((schema, What::Metadata(descriptor.cmd.clone()), Vec::new()));
            }
        };
        let session = call.session(&self.server)?;
        let described = self
            .server
            .compute(async move { statement::describe(&session, &text, parameters).await })
            .await?;
        let parts = described.parts.unwrap_or_default();
        Ok((described.schema, What::Statement(described.ticket), parts))
    }

    /// What a descriptor asks for, and where it is fetched.
    pub(super) async fn info(
        &self,
        call: &Call,
        descriptor: FlightDescriptor,
    ) -> Result<FlightInfo, Status> {
        let (schema, what, parts) = self.described(call, &descriptor).await?;
        let endpoints = match parts.is_empty() {
            false => self.of_nodes(&call.caller.user, parts)?,
            true => {
                let tickets = &self.server.tickets;
                let (ticket, end) = tickets.issue(&call.caller.user, what).map_err(status)?;
                vec![FlightEndpoint {
                    ticket: Some(Ticket { ticket }),
                    expiration_time: Some(transport::timestamp(end)),
                    // No location: the client fetches where it asked.
                    ..FlightEndpoint::default()
                }]
            }
        };
        Ok(FlightInfo {
            schema: transport::schema_message(&schema).map_err(|error| status(error.into()))?,
            flight_descriptor: Some(descriptor),
            endpoint: endpoints,
            total_records: -1,
            total_bytes: -1,
            ordered: false,
            app_metadata: Bytes::new(),
        })
    }

    /// An endpoint for each part, at the node that computes it.
    fn of_nodes(&self, user: &str, parts: Vec<Part>) -> Result<Vec<FlightEndpoint>, Status> {
        let config = self.server.sessions.shared().config();
        if config.server.tls.certificate.is_some() {
            return Err(Status::failed_precondition(format!(
                "{ENDPOINTS} = 'nodes': this server speaks TLS and nodes do not, so that rows would travel unencrypted; SET {ENDPOINTS} = 'server'"
            )));
        }
        let lifetime = Duration::from_secs(config.server.limits.ticket_lifetime_s);
        let tickets = Tickets::of_cluster(config.cluster.token.as_deref(), lifetime);
        let endpoints = parts.into_iter().map(|part| {
            let uri = match part.node.as_str().strip_prefix("http://") {
                Some(address) => format!("grpc://{}", address.trim_end_matches('/')),
                None => part.node.to_string(),
            };
            let (ticket, end) = tickets.issue(user, What::Part(part.plan.into()))?;
            Ok(FlightEndpoint {
                ticket: Some(Ticket { ticket }),
                location: vec![Location { uri }],
                expiration_time: Some(transport::timestamp(end)),
                app_metadata: Bytes::new(),
            })
        });
        let endpoints: engine::Result<Vec<_>> = endpoints.collect();
        endpoints.map_err(status)
    }
}

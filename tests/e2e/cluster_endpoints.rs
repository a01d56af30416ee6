//! Results that nodes give to a client themselves, where its session asks for that.

use std::collections::HashSet;
use std::net::SocketAddr;

use arrow_flight::Ticket;
use tests::binary::Paratope;
use tests::flight::{Client, refused, ticket};
use tests::node::{EVERYTHING_TRAVELS, Node, addresses};
use tests::server::Server;
use tonic::Code;

/// The first column of all rows, sorted.
fn texts(table: &tests::flight::Table) -> Vec<String> {
    let mut texts = Vec::new();
    for batch in &table.batches {
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().map(|column| {
                arrow::util::display::array_value_to_string(column, row).expect("a text")
            });
            texts.push(cells.collect::<Vec<_>>().join("|"));
        }
    }
    texts.sort();
    texts
}

fn address(location: &str) -> SocketAddr {
    location.strip_prefix("grpc://").unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_for_it_fetches_each_part_from_the_node_that_computes_it() {
    let folder = tempfile::tempdir().unwrap();
    let paratope = Paratope::on(folder.path().join("lake"))
        .with("PARATOPE__CLUSTER__TOKEN", "a-token-of-this-test");
    paratope.run(["quickstart"]).expect_code(0);
    let nodes: Vec<Node> = (0..3).map(|_| Node::start(&paratope, &[])).collect();
    let settings = format!(
        "[cluster]\nworkers = {}\n{EVERYTHING_TRAVELS}",
        addresses(&nodes)
    );
    let server = Server::over(paratope, folder, &settings);
    let mut client = server.client().await;
    let sql = "SELECT sequence_id, upper(cdr3_aa) AS c, ab_cdr3(v_domain_aa) AS d FROM chains WHERE v_identity IS NULL OR v_identity > 0.8";
    let expected = texts(&client.query(sql).await.unwrap());
    assert!(expected.len() > 1_000);
    // By itself there is one endpoint, without a location.
    let info = client.describe(sql).await.unwrap();
    assert_eq!(info.endpoint.len(), 1);
    assert!(info.endpoint[0].location.is_empty());

    let wrong = client.query("SET paratope.endpoints = 'everywhere'").await;
    refused(wrong, Code::InvalidArgument, &["server", "nodes"]);
    client
        .query("SET paratope.endpoints = 'nodes'")
        .await
        .unwrap();
    let info = client.describe(sql).await.unwrap();
    let mut places = HashSet::new();
    let mut rows = Vec::new();
    for endpoint in &info.endpoint {
        let location = endpoint.location[0].uri.as_str();
        places.insert(location.to_string());
        let mut node = Client::connect(address(location)).await;
        let part = node.fetch(endpoint.ticket.clone().unwrap()).await.unwrap();
        rows.extend(texts(&part.table().await.unwrap()));
    }
    rows.sort();
    assert_eq!(rows, expected);
    assert_eq!(places.len(), 3, "{places:?}");
    // Another process may fetch with the same ticket, as long as it lives; with one that was changed nobody may.
    let endpoint = &info.endpoint[0];
    let mut node = Client::connect(address(&endpoint.location[0].uri)).await;
    let good = endpoint.ticket.clone().unwrap();
    let mut damaged = good.ticket.to_vec();
    damaged[40] ^= 1;
    let damaged = node.fetch(Ticket::new(damaged)).await.map(drop);
    refused(damaged, Code::InvalidArgument, &["GetFlightInfo"]);
    refused(
        client.fetch(good).await.map(drop),
        Code::InvalidArgument,
        &["not from this server"],
    );
    // A node answers nothing else: statements are the server's.
    refused(
        node.describe("SELECT 1").await,
        Code::Unimplemented,
        &["server"],
    );
    // What ends in one place comes from there.
    for sql in [
        "SELECT chain, count(*) AS n FROM chains GROUP BY chain",
        "SELECT sequence_id FROM chains ORDER BY sequence_id LIMIT 5",
        "SELECT sequence_id FROM chains LIMIT 5",
        "SELECT 1 AS one",
    ] {
        let info = client.describe(sql).await.unwrap();
        assert_eq!(info.endpoint.len(), 1, "{sql}");
        assert!(info.endpoint[0].location.is_empty(), "{sql}");
        let table = client.fetch(ticket(&info)).await.unwrap().table().await;
        assert!(table.unwrap().rows() > 0, "{sql}");
    }
}

//! `/metrics`, and the numbers in `/status`: what the workers counted, and what is known here.

use std::net::SocketAddr;

use super::crew::Report;
use super::desk::{Desk, Endpoint, Status};
use super::process::Process;
use super::request::Request;
use super::response::Response;
use super::{Admin, guard};
use crate::clock;
use crate::context::Census;
use crate::metrics::{Kind, Page, Seconds};

/// How many nodes of the tree are counted at most.
pub(super) const NODES_MAX: usize = 100_000;

impl Admin {
    /// Answers what takes asking the workers. `None`: that is not asked for, or not by somebody who may.
    pub(super) async fn figures(
        &self,
        request: &Request,
        local: Option<SocketAddr>,
    ) -> Option<Response> {
        let is_read = matches!(request.method.as_slice(), b"GET" | b"HEAD");
        let is_asked = matches!(request.path.as_str(), "/metrics" | "/status");
        if !is_read || !is_asked || !guard::believes(&self.hosts, &request.host, local) {
            return None;
        }
        let desk = self.desk.as_ref()?;
        let report = desk.report().await;
        if request.path == "/status" {
            return Some(Response::json(
                200,
                desk.json(self.condition.word(), &report),
            ));
        }
        let census = super::tree::count(self.root.context(), NODES_MAX).await;
        Some(Response {
            content_type: Page::CONTENT_TYPE,
            ..Response::text(200, page(desk, &report, &census))
        })
    }
}

/// The whole of `/metrics`.
fn page(desk: &Desk, report: &Report, census: &Census) -> String {
    let mut page = Page::default();
    let status = desk.status();
    about(&mut page, desk, &status);
    report.total.write(&mut page);
    page.single(
        "osier_cancels_total",
        Kind::Counter,
        "Branches of the tree that were cancelled: the client had left, a hedge had lost, by hand, or at the end of the grace.",
        report.total.cancels + desk.cancels() as u64,
    );
    endpoints(&mut page, &status);
    page.family(
        "osier_tree_nodes",
        Kind::Gauge,
        "Nodes of the context tree, by kind; \"more\": those that were not visited, of a tree that is very large.",
    );
    for (kind, count) in &census.kinds {
        page.sample(&[("kind", kind)], count);
    }
    if census.more > 0 {
        page.sample(&[("kind", "more")], census.more);
    }
    workers(&mut page, report);
    means(&mut page, desk);
    process(&mut page, desk, &Process::look());
    page.finish()
}

fn about(page: &mut Page, desk: &Desk, status: &Status) {
    page.family("osier_build_info", Kind::Gauge, "Always 1; what runs.");
    page.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.single(
        "osier_start_time_seconds",
        Kind::Gauge,
        "When the server started, in seconds since 1970.",
        Seconds(desk.started()),
    );
    page.single(
        "osier_config_generation",
        Kind::Gauge,
        "How many configurations there were since the start, the first included.",
        status.generation,
    );
}

fn endpoints(page: &mut Page, status: &Status) {
    type Which = fn(&Endpoint) -> usize;
    let families: [(&'static str, Kind, &str, Which); 4] = [
        (
            "osier_ejections_total",
            Kind::Counter,
            "How often an endpoint was left alone for a while because it failed.",
            |it| it.state.ejections(),
        ),
        (
            "osier_endpoint_healthy",
            Kind::Gauge,
            "1 while the probes of an endpoint do not fail and it is not ejected.",
            |it| usize::from(it.state.is_healthy() && !it.state.is_ejected(clock::now())),
        ),
        (
            "osier_endpoint_draining",
            Kind::Gauge,
            "1 while an endpoint gets nothing new because somebody said so.",
            |it| usize::from(it.state.is_draining()),
        ),
        (
            "osier_endpoint_in_flight",
            Kind::Gauge,
            "Requests that an endpoint has now.",
            |it| it.state.in_flight(),
        ),
    ];
    for (name, kind, help, which) in families {
        page.family(name, kind, help);
        for (upstream, endpoints) in &status.upstreams {
            for endpoint in endpoints {
                let labels = [("upstream", &**upstream), ("endpoint", &*endpoint.address)];
                page.sample(&labels, which(endpoint));
            }
        }
    }
    page.family(
        "osier_queue_length",
        Kind::Gauge,
        "Requests that wait for a connection to an endpoint, where there may be no more.",
    );
    for (upstream, endpoints) in &status.upstreams {
        page.sample(&[("upstream", upstream)], queued(endpoints));
    }
}

/// How many requests wait for a connection to any of these.
pub(super) fn queued(endpoints: &[Endpoint]) -> usize {
    let permits = endpoints.iter().filter_map(|it| it.permits.as_ref());
    permits.map(crate::limit::Permits::waiting).sum()
}

fn workers(page: &mut Page, report: &Report) {
    page.single(
        "osier_workers",
        Kind::Gauge,
        "Worker threads that have not ended.",
        report.lags.iter().flatten().count(),
    );
    page.family(
        "osier_worker_lag_seconds",
        Kind::Gauge,
        "How long a worker took to answer when it was asked for these numbers, or has not answered for.",
    );
    for (index, lag) in report.lags.iter().enumerate() {
        if let Some(lag) = lag {
            page.sample(&[("worker", &index.to_string())], Seconds(*lag));
        }
    }
}

fn means(page: &mut Page, desk: &Desk) {
    let (used, max) = desk.buffers();
    page.single(
        "osier_buffer_bytes",
        Kind::Gauge,
        "Octets of all buffers, in use or kept.",
        used,
    );
    page.single(
        "osier_buffer_bytes_max",
        Kind::Gauge,
        "How many octets they may have; beyond that requests are shed.",
        max,
    );
    page.single(
        "osier_log_dropped_total",
        Kind::Counter,
        "Access records that were not written, because the reader was too slow.",
        desk.log_dropped(),
    );
    page.single(
        "osier_events_lost_total",
        Kind::Counter,
        "Changes of the tree that readers of /events were not told, because they were too slow.",
        desk.events_lost(),
    );
}

/// Under osier's names, and under those that are the same for all programs.
fn process(page: &mut Page, desk: &Desk, process: &Process) {
    let figures = [
        (
            "osier_resident_memory_bytes",
            "process_resident_memory_bytes",
            "Octets of memory in use.",
            process.resident,
        ),
        (
            "osier_open_fds",
            "process_open_fds",
            "Open file descriptors.",
            process.open_fds,
        ),
        (
            "osier_max_fds",
            "process_max_fds",
            "How many file descriptors may be open.",
            process.max_fds,
        ),
    ];
    for (name, common, help, value) in figures {
        for name in [name, common] {
            if let Some(value) = value {
                page.single(name, Kind::Gauge, help, value);
            }
        }
    }
    for (name, help, value) in [
        (
            "process_virtual_memory_bytes",
            "Octets of address space.",
            process.address_space,
        ),
        ("process_threads", "Threads.", process.threads),
    ] {
        if let Some(value) = value {
            page.single(name, Kind::Gauge, help, value);
        }
    }
    page.single(
        "process_cpu_seconds_total",
        Kind::Counter,
        "Processor time used, in user and system mode.",
        Seconds(clock::process_cpu()),
    );
    page.single(
        "process_start_time_seconds",
        Kind::Gauge,
        "When the server started, in seconds since 1970.",
        Seconds(desk.started()),
    );
}

//! nginx, as its documentation sets up a proxy with kept connections, and with buffers that fit large bodies.

use std::path::Path;

use super::{Layer, Missing, Peer, Site, installed, version};
use crate::process::Launch;

pub(crate) fn find() -> Result<Vec<Peer>, Missing> {
    let program = installed("nginx", "nginx-light")?;
    let version = version(&program, "-v");
    let peer = |name, configure, remark| Peer {
        name,
        version: version.clone(),
        layer: Layer::Http,
        tls: true,
        program: program.clone(),
        configure,
        remark,
    };
    Ok(vec![
        peer("nginx", plain, ""),
        peer(
            "nginx tuned",
            tuned,
            "bodies in memory only, in buffers of 128 KiB; requests are not gathered before they are sent on",
        ),
    ])
}

fn plain(program: &Path, site: &Site) -> Launch {
    launch(program, site, "")
}

fn tuned(program: &Path, site: &Site) -> Launch {
    let tuning = "
    multi_accept on;
    client_body_buffer_size 128k;
    proxy_request_buffering off;
    proxy_buffer_size 16k;
    proxy_buffers 16 128k;
    proxy_busy_buffers_size 256k;
    proxy_max_temp_file_size 0;
    proxy_socket_keepalive off;";
    launch(program, site, tuning)
}

fn launch(program: &Path, site: &Site, tuning: &str) -> Launch {
    let (events, http): (Vec<_>, Vec<_>) = tuning
        .lines()
        .partition(|line| line.trim().starts_with("multi_accept"));
    let ssl = if site.pem.is_some() { " ssl" } else { "" };
    let certificate = site.pem.as_ref().map_or_else(String::new, |pem| {
        format!(
            "
        ssl_certificate {};
        ssl_certificate_key {};
        ssl_protocols TLSv1.3;",
            pem.certificate.display(),
            pem.key.display()
        )
    });
    let text = format!(
        "daemon off;
worker_processes {workers};
worker_rlimit_nofile {descriptors};
pid {dir}/nginx.pid;
error_log {dir}/error.log;
events {{
    worker_connections {descriptors};{events}
}}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;{http}
    upstream origin {{
        server {origin};
        keepalive 1024;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {listen}{ssl} reuseport backlog=4096;{certificate}
        location / {{
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Connection \"\";
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}
}}
",
        workers = site.workers,
        descriptors = site.descriptors,
        dir = site.dir.display(),
        events = events.join("\n"),
        http = http.join("\n"),
        origin = site.origins[0],
        listen = site.listen,
    );
    let path = site.path("nginx.conf");
    let mut launch = Launch::new(program, &["-c", &path.to_string_lossy(), "-p"]);
    launch.arguments.push(site.dir.display().to_string());
    launch.file = Some((path, text));
    launch
}

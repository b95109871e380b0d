//! What `tincture up` says on standard output once it is ready: the address first, since people and scripts read it.

use crate::{app::WayIn, monitoring::Monitoring, virtual_lab};
use auth::FIRST_ADMIN_EMAIL;
use std::{
    fmt,
    io::{self, Write},
    net::SocketAddr,
};

/// Everything a person needs for their first minute.
#[derive(Debug)]
pub struct Banner<'a> {
    pub address: SocketAddr,
    /// Only when it has just been made: it is shown this once.
    pub way_in: Option<&'a WayIn>,
    pub robot: Option<VirtualRobot>,
    pub watcher: &'a Watcher,
}

/// What watches over the lab from outside.
#[derive(Debug)]
pub enum Watcher {
    NotWanted,
    NotInstalled,
    Runs(Monitoring),
}

impl Watcher {
    /// Of a Prometheus that was wanted.
    pub fn of(monitoring: Option<Monitoring>) -> Self {
        monitoring.map_or(Self::NotInstalled, Self::Runs)
    }
}

/// The virtual robot of this process.
#[derive(Debug)]
pub struct VirtualRobot {
    pub name: String,
    pub address: SocketAddr,
    /// Times a real OT-2's.
    pub speed: f64,
}

impl Banner<'_> {
    /// Prints it. A closed standard output is no reason to stop a lab.
    pub fn print(&self) {
        let mut out = io::stdout().lock();
        let _ = write!(out, "{self}").and_then(|()| out.flush());
    }
}

impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n  Tincture is ready: http://{}\n", reachable(self.address))?;
        match self.way_in {
            Some(WayIn { password, link }) => {
                writeln!(f, "  Sign in as    {FIRST_ADMIN_EMAIL}")?;
                writeln!(f, "  Password      {}   (shown this once)", password.expose())?;
                writeln!(f, "  Or choose one {link}   (good once, for a day)\n")?;
            }
            None => writeln!(f, "  Locked out?   tincture user link {FIRST_ADMIN_EMAIL}   (or another address)\n")?,
        }
        if let Some(robot) = &self.robot {
            writeln!(f, "  Virtual OT-2  http://{} at {}× speed", reachable(robot.address), robot.speed)?;
            if robot.name != virtual_lab::FIRST_NAME {
                writeln!(f, "  Its name      {}   (the names before are other robots' of this lab)", robot.name)?;
            }
        }
        match self.watcher {
            Watcher::NotWanted => {}
            Watcher::NotInstalled => writeln!(
                f,
                "  Prometheus    isn't installed: `apt install --no-install-recommends prometheus`, and start again"
            )?,
            Watcher::Runs(Monitoring { address, provisioning, .. }) => {
                writeln!(f, "  Prometheus    http://{}", reachable(*address))?;
                writeln!(f, "  Grafana       GF_PATHS_PROVISIONING={} grafana server", provisioning.display())?;
            }
        }
        writeln!(f, "  Stop          Ctrl-C\n")
    }
}

/// The address to type into a browser: one that listens everywhere is reached at the loopback address.
pub fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

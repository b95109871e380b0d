//! The sensor on a serial port, as a microcontroller on USB is: the same lines as over TCP.
//!
//! The port is opened for each reading, so that a device that was unplugged and plugged in again is met afresh; what it said
//! before it was asked is thrown away.

use super::{
    ColourSensor, PendingReading, ReadRequest, SensorError,
    address::{Fixed, Options},
    lines,
};
use crate::{AddressError, Patience};
use domain::reading::Reading;
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    termios::{ControlModes, OptionalActions, QueueSelector, ioctl_tiocexcl, tcflush, tcgetattr, tcsetattr},
};
use std::{
    io,
    path::{Path, PathBuf},
};
use tokio::{
    io::{BufReader, Join, join},
    net::unix::pipe,
    time::timeout,
};

const USUAL_BAUD: u32 = 115_200;

#[derive(Debug)]
pub(super) struct SerialSensor {
    port: PathBuf,
    baud: u32,
    fixed: Fixed,
    patience: Patience,
}

impl SerialSensor {
    /// `serial:///dev/ttyACM0?baud=115200&gain=128&led=12`.
    pub fn new(url: &str, patience: Patience) -> Result<Self, AddressError> {
        let wrong = AddressError::Sensor("a sensor on a serial port is at serial:///dev/PORT?baud=115200");
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let path = path.strip_prefix("serial://").ok_or(wrong.clone())?;
        if !path.starts_with('/') || path.len() < 2 || path.contains(['@', '#', '\0']) {
            return Err(wrong);
        }
        let mut options = Options::parse(query)?;
        let baud =
            match options.take("baud") {
                None => USUAL_BAUD,
                Some(text) => text.parse().ok().filter(|baud| (300..=4_000_000).contains(baud)).ok_or(
                    AddressError::Sensor("a serial port's baud is a number from 300 to 4000000, mostly 115200"),
                )?,
            };
        let fixed = Fixed::take(&mut options)?;
        options.end()?;
        Ok(Self { port: path.into(), baud, fixed, patience })
    }

    async fn take(&self, mut request: ReadRequest) -> Result<Reading, SensorError> {
        request.settings = self.fixed.put_into(request.settings);
        let port = open(&self.port, self.baud).map_err(|error| self.cannot_open(error))?;
        lines::ask(&mut BufReader::new(port), &request, |error| self.gone(&error)).await
    }

    fn cannot_open(&self, error: Errno) -> SensorError {
        let port = self.port.display();
        let (detail, remedy) = match error {
            Errno::NOENT | Errno::NODEV | Errno::NXIO => (
                format!("There is no serial port {port}"),
                "Plug the sensor in, and see which port it has: ls /dev/serial/by-id.",
            ),
            Errno::ACCESS | Errno::PERM => (
                format!("Tincture may not use the serial port {port}"),
                "Put the user that runs the worker into the group that owns the port, mostly dialout.",
            ),
            Errno::BUSY => (
                format!("Another program has the serial port {port}"),
                "Close the other program, like a serial monitor.",
            ),
            Errno::NOTTY => (format!("{port} is no serial port"), "Give the port in the sensor's address."),
            _ => (format!("The serial port {port} can't be opened"), "Unplug the sensor and plug it in again."),
        };
        SensorError::Blocked { detail, remedy }
    }

    fn gone(&self, error: &io::Error) -> SensorError {
        tracing::debug!(port = %self.port.display(), %error, "a serial port failed");
        let detail = format!("The sensor on {} went away before it answered", self.port.display());
        SensorError::Blocked { detail, remedy: "Plug the sensor in again, and see that its cable sits firmly." }
    }
}

impl ColourSensor for SerialSensor {
    fn read(&self, request: ReadRequest) -> PendingReading<'_> {
        Box::pin(async move {
            let after = self.patience.reading;
            timeout(after, self.take(request)).await.unwrap_or(Err(SensorError::Silent { after }))
        })
    }
}

/// Opens a port without waiting, neither for a carrier nor for anything to be said.
fn open(path: &Path, baud: u32) -> Result<Join<pipe::Receiver, pipe::Sender>, Errno> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let port = rustix::fs::open(path, flags, Mode::empty())?;
    let mut mode = tcgetattr(&port)?;
    // Two programs would each get a part of what it says.
    ioctl_tiocexcl(&port)?;
    mode.make_raw();
    mode.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
    mode.set_speed(baud)?;
    tcsetattr(&port, OptionalActions::Now, &mode)?;
    tcflush(&port, QueueSelector::IFlush)?;
    // To tokio a descriptor that can be waited for is a pipe, whatever is at its other end.
    let (reader, writer) = (port.try_clone().map_err(|error| errno(&error))?, port);
    let reader = pipe::Receiver::from_owned_fd_unchecked(reader).map_err(|error| errno(&error))?;
    let writer = pipe::Sender::from_owned_fd_unchecked(writer).map_err(|error| errno(&error))?;
    Ok(join(reader, writer))
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

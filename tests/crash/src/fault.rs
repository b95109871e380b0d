//! What can go wrong, and when: drawn from a seed, so that a seed reproduces the schedule.

use crate::{
    failover::{Failover, Loss},
    people::Button,
    proxy::{Aim, RobotFault, SensorFault},
};
use clap::ValueEnum;
use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use std::time::Duration;

/// One thing done to the lab. Robots and workers by their index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9`, and a new one after so long.
    KillWorker {
        worker: usize,
        dead_for: Duration,
    },
    /// SIGSTOP for longer than its lease, then SIGCONT.
    StopWorker {
        worker: usize,
        stopped_for: Duration,
    },
    /// SIGTERM, and a new one after so long.
    EndWorker {
        worker: usize,
        gone_for: Duration,
    },
    KillServer {
        dead_for: Duration,
    },
    /// SIGTERM, and a new one after so long.
    EndServer {
        gone_for: Duration,
    },
    /// The robot's server is killed: its runs are forgotten, what is on the deck is not.
    KillRobot {
        robot: usize,
        dead_for: Duration,
    },
    Robot {
        robot: usize,
        aim: Aim,
        fault: RobotFault,
    },
    ShutRobot {
        robot: usize,
        time: Duration,
    },
    Sensor {
        robot: usize,
        skip: u32,
        fault: SensorFault,
    },
    ShutSensor {
        robot: usize,
        time: Duration,
    },
    /// Another client makes a run of its own.
    TakeRobot {
        robot: usize,
    },
    TakeDatabase {
        time: Duration,
    },
    /// Of a pair of database servers the other takes over.
    FailOver(Failover),
    CancelExperiment,
    /// Somebody presses a button on a robot's page, and resumes it after so long.
    Button {
        robot: usize,
        button: Button,
        time: Duration,
    },
    /// Somebody stops all robots, and resumes them after so long.
    StopLab {
        time: Duration,
    },
    /// The sensor never says a word again.
    SensorDies {
        robot: usize,
    },
    /// The robot never answers again.
    RobotOff {
        robot: usize,
    },
}

/// Which faults are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Mix {
    #[default]
    Everything,
    /// Workers die, most of them in the middle of something.
    Kills,
    /// Workers are stopped until others have taken their lanes, and woken.
    Stops,
    /// Everything, and people: they stop, pause and drain robots and renew plates; processes are asked to end.
    People,
    /// Everything, and the database fails over. For a pair of servers.
    Failovers,
}

/// Of so many faults one is a failover.
const FAILOVER_EVERY: u64 = 12;

/// The lab that faults are drawn for.
#[derive(Clone, Copy, Debug)]
pub struct Targets {
    pub robots: usize,
    pub workers: usize,
    /// A worker stopped for longer loses its lanes.
    pub lease: Duration,
    /// The longest time between two faults.
    pub gap: Duration,
}

/// An endless schedule.
#[derive(Debug)]
pub struct Schedule {
    random: ChaCha8Rng,
    targets: Targets,
    mix: Mix,
    drawn: u64,
}

impl Schedule {
    pub fn new(seed: u64, targets: Targets, mix: Mix) -> Self {
        Self { random: ChaCha8Rng::seed_from_u64(seed), targets, mix, drawn: 0 }
    }

    /// The next fault, and how long to wait before it.
    pub fn draw(&mut self) -> (Duration, Fault) {
        let gap = self.targets.gap.mul_f64(self.random.random_range(0.05..=1.0));
        self.drawn += 1;
        let fault = match self.mix {
            Mix::Everything => self.anything(),
            Mix::Kills => self.kill_worker(),
            Mix::Stops => self.stop_worker(),
            Mix::People => self.people(),
            Mix::Failovers if self.drawn % FAILOVER_EVERY == 4 => Fault::FailOver(self.failover()),
            Mix::Failovers => self.anything(),
        };
        (gap, fault)
    }

    fn anything(&mut self) -> Fault {
        match self.random.random_range(0..100) {
            0..44 => Fault::Robot { robot: self.robot(), aim: self.aim(), fault: self.robot_fault() },
            44..62 => {
                Fault::Sensor { robot: self.robot(), skip: self.random.random_range(0..4), fault: self.sensor_fault() }
            }
            62..74 => self.kill_worker(),
            74..79 => self.stop_worker(),
            79..82 => Fault::KillServer { dead_for: self.millis(0, 500) },
            82..88 => Fault::KillRobot { robot: self.robot(), dead_for: self.millis(0, 800) },
            88..91 => Fault::TakeRobot { robot: self.robot() },
            91..93 => Fault::ShutRobot { robot: self.robot(), time: self.millis(50, 1_500) },
            93..95 => Fault::ShutSensor { robot: self.robot(), time: self.millis(50, 1_500) },
            95..98 => Fault::TakeDatabase { time: self.millis(50, 1_500) },
            _ => Fault::CancelExperiment,
        }
    }

    fn people(&mut self) -> Fault {
        match self.random.random_range(0..100) {
            0..40 => Fault::Button { robot: self.robot(), button: self.button(), time: self.millis(50, 1_500) },
            40..43 => Fault::StopLab { time: self.millis(50, 1_500) },
            43..60 => Fault::EndWorker { worker: self.worker(), gone_for: self.millis(0, 300) },
            60..63 => Fault::EndServer { gone_for: self.millis(0, 300) },
            _ => self.anything(),
        }
    }

    fn button(&mut self) -> Button {
        match self.random.random_range(0..10) {
            0..4 => Button::Stop,
            4..6 => Button::Pause,
            6..9 => Button::PauseForPlate,
            _ => Button::Drain,
        }
    }

    fn kill_worker(&mut self) -> Fault {
        Fault::KillWorker { worker: self.worker(), dead_for: self.millis(0, 300) }
    }

    fn stop_worker(&mut self) -> Fault {
        let lease = self.targets.lease;
        Fault::StopWorker { worker: self.worker(), stopped_for: lease + self.millis(100, 2_000) }
    }

    fn failover(&mut self) -> Failover {
        let frozen = Loss::Frozen { thaws_after: self.millis(0, 3_500), awake_for: self.millis(500, 3_000) };
        Failover {
            loss: if self.random.random_range(0..5) < 2 { Loss::Killed } else { frozen },
            cut_for: self.millis(0, 1_500),
            leaderless_for: self.millis(0, 2_500),
        }
    }

    fn robot_fault(&mut self) -> RobotFault {
        match self.random.random_range(0..12) {
            0 | 1 => RobotFault::CutBefore,
            2 | 3 => RobotFault::CutAfter { linger: self.millis(0, 40) },
            4 => RobotFault::AnswerLost,
            5 => RobotFault::HalfAnswer,
            6 => RobotFault::Delay { by: self.millis(10, 800) },
            7..=9 => RobotFault::HoldBack { by: self.millis(0, 2_500) },
            10 => RobotFault::Stall { by: self.millis(0, 3_000) },
            _ => RobotFault::BadGateway { passed_on: self.random.random() },
        }
    }

    fn sensor_fault(&mut self) -> SensorFault {
        match self.random.random_range(0..10) {
            0 => SensorFault::Swallowed,
            1 => SensorFault::ReplyLost,
            2 | 3 => SensorFault::LateReply { by: self.millis(0, 3_000) },
            4 => SensorFault::ToldAgain,
            5 => SensorFault::Doubled,
            6 => SensorFault::HoldBack { by: self.millis(0, 2_000) },
            7 => SensorFault::CutBefore,
            8 => SensorFault::HalfReply,
            _ => SensorFault::Garbage,
        }
    }

    fn aim(&mut self) -> Aim {
        let skip = self.random.random_range(0..6);
        if self.random.random_range(0..100) < 70 { Aim::Command { skip } } else { Aim::Any { skip } }
    }

    fn robot(&mut self) -> usize {
        self.random.random_range(0..self.targets.robots.max(1))
    }

    fn worker(&mut self) -> usize {
        self.random.random_range(0..self.targets.workers.max(1))
    }

    fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.random.random_range(least..=most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_reproduces_its_schedule() {
        let targets = Targets { robots: 3, workers: 2, lease: Duration::from_secs(2), gap: Duration::from_millis(400) };
        for mix in [Mix::Everything, Mix::People, Mix::Failovers] {
            let draw = |seed| {
                let mut schedule = Schedule::new(seed, targets, mix);
                (0..300).map(|_| schedule.draw()).collect::<Vec<_>>()
            };
            assert_eq!(draw(7), draw(7));
            assert_ne!(draw(7), draw(8));
        }
    }
}

//! Protocols that others wrote, brought into the lab.

use super::By;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  tincture protocol import dyes.json --robot bench-1
  tincture protocol import dyes.py --opentrons ~/opentrons/bin/python --dye 2/A1=red --dye 2/A2=blue
  tincture protocol import dyes.json --submit --as ada@example.org
  tincture protocol analyse dyes.py --opentrons ~/opentrons/bin/python > dyes.analysis.json

A protocol is taken only if the lab would mix the same; what it can't do is named line by line. A Python protocol is a
program: it is run where you run this command, with your rights, and never by the lab's server.")]
pub enum Protocol {
    /// Read a protocol, show what it mixes and what is in the way; with --submit ask for it as an experiment
    Import(Import),
    /// Have Opentrons' analyser read a Python protocol, and print what it finds: for the lab's page and its API. Needs no lab
    Analyse {
        file: PathBuf,
        #[command(flatten)]
        python: Python,
    },
}

#[derive(Args, Debug)]
pub struct Import {
    /// In JSON (a protocol of schema 6 to 8, or an analysis), or in Python
    pub file: PathBuf,
    /// On this robot's deck [default: the first that can mix it]
    #[arg(long, value_name = "NAME")]
    pub robot: Option<String>,
    /// Which dye of the deck a vessel of the protocol holds, where the protocol doesn't say it: 2/A1=red. May be given more
    /// than once
    #[arg(long = "dye", value_name = "SLOT/WELL=DYE")]
    pub dyes: Vec<String>,
    #[command(flatten)]
    pub python: OptionalPython,
    /// What the experiment is called [default: the protocol's title]
    #[arg(long)]
    pub name: Option<String>,
    /// Ask for it, if nothing is in the way: its wells are charged as any experiment's
    #[arg(long)]
    pub submit: bool,
    /// With the same key the same file is asked for once, however often this is said
    #[arg(long, requires = "submit")]
    pub key: Option<String>,
    /// JSON, as the API answers
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub by: By,
}

/// For Python protocols.
#[derive(Args, Debug)]
pub struct Python {
    /// The interpreter of an environment with the package `opentrons` (8.8.2 is known to work)
    #[arg(long, value_name = "PYTHON")]
    pub opentrons: PathBuf,
    /// Definitions of labware that the protocol loads and doesn't bring along
    #[arg(long, value_name = "FILE")]
    pub labware: Vec<PathBuf>,
}

#[derive(Args, Debug)]
pub struct OptionalPython {
    /// For a Python protocol: the interpreter of an environment with the package `opentrons` (8.8.2 is known to work)
    #[arg(long, value_name = "PYTHON")]
    pub opentrons: Option<PathBuf>,
    /// Definitions of labware that a Python protocol loads and doesn't bring along
    #[arg(long, value_name = "FILE", requires = "opentrons")]
    pub labware: Vec<PathBuf>,
}

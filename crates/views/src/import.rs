//! What becomes of another's protocol here.

use domain::{Recipe, WellName};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use workflow::{ExperimentRequest, ImportedProtocol, Remark};

/// What a protocol would be as an experiment of this lab. Nothing was made of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ImportView {
    /// The robot on whose deck it was read: the first that can mix it, else the one with the fewest problems.
    pub robot: String,
    /// To be sent to `POST /experiments` as it is; null while there is a problem.
    #[schema(value_type = Option<Object>, required = true, example = json!({"name": "Greens", "wells": [{"volumes": {"red": 60}}]}))]
    pub request: Option<ExperimentRequest>,
    /// In the order of the protocol's plate. Experiments place their wells themselves. Not to be relied on while there is a
    /// problem.
    pub wells: Vec<ImportedWell>,
    /// µL of each dye for all wells.
    #[schema(value_type = BTreeMap<String, f64>)]
    pub dyes: BTreeMap<String, f64>,
    /// Tips that the lab uses for it; 0 while there is a problem.
    pub tips: usize,
    /// Why it isn't an experiment here, line by line.
    pub problems: Vec<RemarkView>,
    /// What is left out or done otherwise, and changes no mixture.
    pub notes: Vec<RemarkView>,
}

/// A well of the protocol's plate.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ImportedWell {
    #[schema(value_type = String, example = "A1")]
    pub well: WellName,
    /// µL by dye.
    #[schema(value_type = BTreeMap<String, f64>)]
    pub volumes: Recipe,
}

/// Something about one command of a protocol, or several.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RemarkView {
    /// The first command it is about, from 1; null where it is about the whole.
    #[schema(required = true)]
    pub command: Option<usize>,
    /// That command's line of the Python file, where the analysis was made by `tincture protocol analyse`.
    #[schema(required = true)]
    pub line: Option<u32>,
    /// For how many commands it is true.
    pub times: usize,
    pub detail: String,
}

impl ImportView {
    pub fn of(imported: ImportedProtocol) -> Self {
        let well = |(well, volumes)| ImportedWell { well, volumes };
        Self {
            robot: imported.robot,
            request: imported.request,
            wells: imported.wells.into_iter().map(well).collect(),
            dyes: imported.dyes.into_iter().map(|(dye, volume)| (dye.to_string(), volume.ul())).collect(),
            tips: imported.tips,
            problems: imported.problems.into_iter().map(RemarkView::of).collect(),
            notes: imported.notes.into_iter().map(RemarkView::of).collect(),
        }
    }
}

impl RemarkView {
    fn of(remark: Remark) -> Self {
        let Remark { command, line, times, text } = remark;
        Self { command, line, times, detail: text }
    }

    /// Where it is, for a person: `command 12, line 23`; nothing where it is about the whole.
    pub fn place(&self) -> Option<String> {
        let command = self.command?;
        let line = self.line.map(|line| format!(", line {line}")).unwrap_or_default();
        let more = if self.times > 1 { format!(" and {} more", self.times - 1) } else { String::new() };
        Some(format!("command {command}{line}{more}"))
    }
}

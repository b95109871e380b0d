//! `POST /experiments/{id}/pause` and the like: what an experiment, a robot or the whole lab is told in one word.
//!
//! They take no body and differ in the word alone, so they are a table: a row is a path, what is done, and what the
//! description says about it.

use super::{
    experiments, lab,
    robots::{self, list::Robots, read::RobotDetail},
};
use crate::ApiState;
use axum::{
    extract::{Path, State},
    routing::{MethodRouter, post},
};
use domain::Control;
use request::{AppState, Caller, ClientIp, PROBLEM_JSON, ProblemDocument};
use std::borrow::Cow;
use utoipa::{
    ToSchema,
    openapi::{
        ContentBuilder, ObjectBuilder, Ref, Required, Response, ResponseBuilder, Type,
        path::{HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, Paths},
    },
};
use utoipa_axum::router::UtoipaMethodRouter;
use views::ExperimentView;
use workflow::RobotCommand;

struct Command {
    path: &'static str,
    act: Act,
    summary: &'static str,
    description: &'static str,
    answers: &'static [Answer],
}

/// Who is told what. Whoever may see an experiment tells it; robots are told by those who run them.
#[derive(Clone, Copy)]
enum Act {
    Experiment(Control),
    Robot(RobotCommand),
    Lab(RobotCommand),
}

/// A status, and why it is given where that isn't plain.
type Answer = (u16, &'static str);

const OF_AN_EXPERIMENT: &[Answer] = &[
    (200, "Done"),
    (202, "The robot's worker does it after the step in flight"),
    (404, ""),
    (409, "It makes no sense in this state"),
];
const OF_A_ROBOT: &[Answer] = &[(200, ""), (403, "Neither operator nor administrator"), (404, "")];
const OF_A_DRAINED_ROBOT: &[Answer] = &[
    (200, ""),
    (403, "Neither operator nor administrator"),
    (404, ""),
    (409, "It is paused or stopped, or asks something: resume it first"),
];
const OF_THE_LAB: &[Answer] = &[(200, ""), (403, "Neither operator nor administrator")];

const COMMANDS: [Command; 11] = [
    Command {
        path: "/experiments/{id}/pause",
        act: Act::Experiment(Control::Pause),
        summary: "Pause an experiment",
        description: "Sends nothing more after the step in flight, and makes the robot safe.",
        answers: OF_AN_EXPERIMENT,
    },
    Command {
        path: "/experiments/{id}/resume",
        act: Act::Experiment(Control::Resume),
        summary: "Resume a paused experiment",
        description: "Puts it back into the queue; it goes on where it stopped, on the same plate.",
        answers: OF_AN_EXPERIMENT,
    },
    Command {
        path: "/experiments/{id}/cancel",
        act: Act::Experiment(Control::Cancel),
        summary: "Cancel an experiment",
        description: "Finishes the step in flight, makes the robot safe and returns the quota of wells that weren't measured.",
        answers: OF_AN_EXPERIMENT,
    },
    Command {
        path: "/robots/{id}/pause",
        act: Act::Robot(RobotCommand::Pause),
        summary: "Pause a robot",
        description: "Finishes the step in flight, puts everything down and sends nothing more until it is resumed. Its experiment keeps its
place. `stands_still` says when hands may go to the deck.",
        answers: OF_A_ROBOT,
    },
    Command {
        path: "/robots/{id}/resume",
        act: Act::Robot(RobotCommand::Resume),
        summary: "Resume a robot",
        description: "Goes on. Also the answer to what the robot asks in `attention`: that somebody has looked, and it is safe to go on.",
        answers: OF_A_ROBOT,
    },
    Command {
        path: "/robots/{id}/drain",
        act: Act::Robot(RobotCommand::Drain),
        summary: "Drain a robot",
        description: "Finishes the experiment in hand and takes no other, until it is resumed: for maintenance.",
        answers: OF_A_DRAINED_ROBOT,
    },
    Command {
        path: "/robots/{id}/stop",
        act: Act::Robot(RobotCommand::Stop),
        summary: "Stop a robot at once",
        description: "Sends nothing more, not even to put things down. An OT-2 can't break off the command that it is carrying out: whoever is
in danger uses the robot's own button. Resuming it later puts down what it holds first.",
        answers: OF_A_ROBOT,
    },
    Command {
        path: "/lab/pause",
        act: Act::Lab(RobotCommand::Pause),
        summary: "Pause the lab",
        description: "Pauses every robot: each finishes the step in flight and puts everything down.",
        answers: OF_THE_LAB,
    },
    Command {
        path: "/lab/resume",
        act: Act::Lab(RobotCommand::Resume),
        summary: "Resume the lab",
        description: "Resumes every robot, those too that wait for an answer: it says that somebody has looked at all of them.",
        answers: OF_THE_LAB,
    },
    Command {
        path: "/lab/drain",
        act: Act::Lab(RobotCommand::Drain),
        summary: "Drain the lab",
        description: "Every robot finishes the experiment in hand and takes no other.",
        answers: OF_THE_LAB,
    },
    Command {
        path: "/lab/stop",
        act: Act::Lab(RobotCommand::Stop),
        summary: "Stop the lab at once",
        description: "The emergency stop of every robot: nothing more is sent, not even to put things down.",
        answers: OF_THE_LAB,
    },
];

/// The routes of all commands with their description, for a router to take in. The schemas of what they answer with
/// come from the endpoints that read the same.
pub fn routes() -> impl Iterator<Item = UtoipaMethodRouter<ApiState>> {
    COMMANDS.iter().map(|command| {
        let mut paths = Paths::new();
        paths.add_path_operation(command.path, vec![HttpMethod::Post], command.operation());
        (Vec::new(), paths, command.act.handler())
    })
}

impl Act {
    fn handler(self) -> MethodRouter<ApiState> {
        type Asked = State<AppState>;
        match self {
            Self::Experiment(control) => post(
                async move |State(state): Asked,
                            Caller(identity): Caller,
                            ClientIp(ip): ClientIp,
                            Path(id): Path<String>| {
                    experiments::control(&state, &identity, &id, control, ip).await
                },
            ),
            Self::Robot(command) => post(
                async move |State(state): Asked,
                            Caller(identity): Caller,
                            ClientIp(ip): ClientIp,
                            Path(id): Path<String>| {
                    robots::command(&state, &identity, &id, command, ip).await
                },
            ),
            Self::Lab(command) => {
                post(async move |State(state): Asked, Caller(identity): Caller, ClientIp(ip): ClientIp| {
                    lab::command(&state, &identity, command, ip).await
                })
            }
        }
    }

    const fn tag(self) -> &'static str {
        match self {
            Self::Experiment(_) => "experiments",
            Self::Robot(_) | Self::Lab(_) => "lab",
        }
    }

    /// The schema of how what was told stands now.
    fn view(self) -> Cow<'static, str> {
        match self {
            Self::Experiment(_) => ExperimentView::name(),
            Self::Robot(_) => RobotDetail::name(),
            Self::Lab(_) => Robots::name(),
        }
    }

    fn id(self) -> Option<Parameter> {
        let id = ParameterBuilder::new()
            .name("id")
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)));
        match self {
            Self::Experiment(_) => Some(id.build()),
            Self::Robot(_) => Some(id.description(Some("Id or name")).build()),
            Self::Lab(_) => None,
        }
    }
}

impl Command {
    fn operation(&self) -> Operation {
        let mut operation = OperationBuilder::new()
            .tag(self.act.tag())
            .operation_id(Some(self.name()))
            .summary(Some(self.summary))
            .description(Some(self.description));
        if let Some(id) = self.act.id() {
            operation = operation.parameter(id);
        }
        for answer in self.answers {
            operation = operation.response(answer.0.to_string(), self.response(*answer));
        }
        operation.build()
    }

    /// `robots_pause` for `/robots/{id}/pause`.
    fn name(&self) -> String {
        let words: Vec<_> = self.path.split('/').filter(|part| !part.is_empty() && !part.starts_with('{')).collect();
        words.join("_")
    }

    fn response(&self, (status, why): Answer) -> Response {
        let (kind, schema) =
            if status < 400 { ("application/json", self.act.view()) } else { (PROBLEM_JSON, ProblemDocument::name()) };
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
        let response = ResponseBuilder::new().content(kind, content);
        if why.is_empty() { response.build() } else { response.description(why).build() }
    }
}

//! What a wire cannot say.

use crate::{
    Artifact, Call, CallResult, Event, Message, Part, PartContent, PushConfig, Task, TaskState,
    TaskStatus, Version,
};

/// What is left of a value once it went over a wire.
pub(super) trait Left {
    fn left(&mut self, version: Version);

    fn left_all<'a>(list: impl IntoIterator<Item = &'a mut Self>, version: Version)
    where
        Self: 'a,
    {
        list.into_iter().for_each(|item| item.left(version));
    }
}

/// Version 0.3 knows names and types of files alone.
impl Left for Part {
    fn left(&mut self, version: Version) {
        let is_file = matches!(self.content, PartContent::Raw(_) | PartContent::Url(_));
        if version == Version::V0_3 && !is_file {
            (self.filename, self.media_type) = (None, None);
        }
    }
}

/// Version 1.0 has no word for what an answer cost.
impl Left for Message {
    fn left(&mut self, version: Version) {
        Left::left_all(&mut self.parts, version);
        self.usage.take_if(|_| version == Version::V1_0);
    }
}

impl Left for TaskStatus {
    fn left(&mut self, version: Version) {
        Left::left_all(&mut self.message, version);
    }
}

impl Left for Artifact {
    fn left(&mut self, version: Version) {
        Left::left_all(&mut self.parts, version);
    }
}

impl Left for Task {
    fn left(&mut self, version: Version) {
        self.status.left(version);
        Left::left_all(self.artifacts.iter_mut().flatten(), version);
        Left::left_all(self.history.iter_mut().flatten(), version);
        self.usage.take_if(|_| version == Version::V1_0);
    }
}

/// Version 1.0 has one scheme.
impl Left for PushConfig {
    fn left(&mut self, version: Version) {
        if let (Version::V1_0, Some(authentication)) = (version, &mut self.authentication) {
            authentication.schemes.resize(1, String::new());
        }
    }
}

/// Version 1.0 does not say whether a stream ends.
impl Left for Event {
    fn left(&mut self, version: Version) {
        match self {
            Self::Task(task) => task.left(version),
            Self::Message(message) => message.left(version),
            Self::Artifact(update) => update.artifact.left(version),
            Self::Status(update) => {
                update.status.left(version);
                if version == Version::V1_0 {
                    update.is_final = update.status.state.is_final();
                }
            }
        }
    }
}

/// In version 1.0 a state that is not specified is none.
impl Left for Call {
    fn left(&mut self, version: Version) {
        match self {
            Self::Send(send) | Self::Stream(send) => {
                send.message.left(version);
                Left::left_all(&mut send.options.push, version);
            }
            Self::SetPushConfig(push) => push.config.left(version),
            Self::ListTasks(list) => {
                list.state.take_if(|state| *state == TaskState::Unknown);
            }
            _ => {}
        }
    }
}

impl Left for CallResult {
    fn left(&mut self, version: Version) {
        match self {
            Self::Message(message) => message.left(version),
            Self::Sent(task) | Self::Task(task) => task.left(version),
            Self::Tasks(page) => Left::left_all(&mut page.tasks, version),
            Self::PushConfig(push) => push.config.left(version),
            Self::PushConfigs(list) => {
                Left::left_all(list.iter_mut().map(|push| &mut push.config), version);
            }
            Self::Deleted | Self::Card(_) => {}
        }
    }
}

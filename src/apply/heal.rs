//! Healing a stuck job. Deleting it and creating it again is one write: whatever happens on the way, no job is left out of sight.

use std::time::Duration;

use tokio::time::sleep;

use crate::dkron::Written;
use crate::job::Job;
use crate::plan::named;
use crate::report::Outcome;

use super::{ROUNDS, Run};

/// The pause between those tries.
const AGAIN: Duration = Duration::from_millis(200);

impl Run<'_> {
    /// Deletes the executions of a job, after what changes of it is posted. Where that did not suffice the job is only posted again.
    pub(super) async fn forget(&self, index: usize, job: &Job, changes: bool) -> Written {
        let again = !self.renewed.borrow_mut().insert(index);
        if again || changes {
            let written = self.session.put(job).await;
            if again || written != Written::Accepted {
                return written;
            }
        }
        self.session.forget(&job.name).await
    }

    /// Sets the children aside, deletes the job, creates it, and puts the children back. Once it has begun, no signal ends it
    /// half way. Where the job was deleted by this run before, what does not stand is only written again.
    pub(super) async fn renew(&self, index: usize, job: &Job, children: &[Job]) -> Outcome {
        if !self.renewed.borrow().contains(&index) {
            for (count, child) in children.iter().enumerate() {
                let written = self.session.put(&child.parked()).await;
                if written != Written::Accepted {
                    let why = format!("its child `{}` could not be set aside: {}", child.name, words(written));
                    return self.not_begun(&children[..=count], why).await;
                }
            }
            match self.session.delete(&job.name).await {
                // In doubt it is gone.
                Written::Accepted | Written::Stopped => drop(self.renewed.borrow_mut().insert(index)),
                other => return self.not_begun(children, format!("it could not be deleted: {}", words(other))).await,
            }
        }
        for _ in 0..ROUNDS {
            let created = self.surely(job).await;
            if created != Written::Accepted {
                return Outcome::Failed(format!(
                    "deleted to be healed, and it could not be created again: {}; {}the next `apply` does it",
                    words(created),
                    left_aside(children)
                ));
            }
            match self.put_back(children).await {
                Ok(()) => return Outcome::Done,
                // The create was swallowed (FACTS 16).
                Err((_, Written::NoParent(_))) => {}
                Err((child, written)) => return half(child, written),
            }
        }
        Outcome::Failed(format!(
            "deleted to be healed, and Dkron accepted it again and does not hold it; {}the next `apply` creates it",
            left_aside(children)
        ))
    }

    /// Nothing was deleted: the children that were set aside, perhaps, are put back.
    async fn not_begun(&self, children: &[Job], why: String) -> Outcome {
        match self.put_back(children).await {
            Ok(()) => Outcome::Failed(format!("not healed: {why}")),
            Err((child, written)) => Outcome::Failed(format!(
                "not healed: {why}; and its child `{}` could not be put back: {}; the next `apply` does it",
                child.name,
                words(written)
            )),
        }
    }

    async fn put_back<'c>(&self, children: &'c [Job]) -> Result<(), (&'c Job, Written)> {
        for child in children {
            let written = self.surely(child).await;
            if written != Written::Accepted {
                return Err((child, written));
            }
        }
        Ok(())
    }

    /// A write that is tried on when everything else stops.
    async fn surely(&self, job: &Job) -> Written {
        loop {
            let written = self.session.put(job).await;
            let stopped = matches!(written, Written::NotDone(_) | Written::Stopped) && self.shutdown.is_stopping();
            if !stopped {
                return written;
            }
            tokio::select! {
                () = sleep(AGAIN) => {}
                () = self.shutdown.out_of_grace() => return written,
            }
        }
    }
}

fn half(child: &Job, written: Written) -> Outcome {
    Outcome::Failed(format!(
        "healed, and its child `{}` is still set aside, without a parent and run by hand only: {}; the next `apply` puts it back",
        child.name,
        words(written)
    ))
}

fn left_aside(children: &[Job]) -> String {
    if children.is_empty() {
        return String::new();
    }
    let names: Vec<_> = children.iter().map(|child| child.name.to_string()).collect();
    format!("set aside until then: {}; ", named(&names))
}

/// Why a write did not succeed.
pub(super) fn words(written: Written) -> String {
    match written {
        Written::Accepted => "accepted".to_owned(),
        Written::Refused(why) | Written::NoParent(why) => why,
        Written::NotDone(why) => format!("not done: {why}"),
        Written::Stopped => "in doubt: stopped before it was known whether it was applied".to_owned(),
    }
}

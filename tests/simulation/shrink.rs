//! Makes a failing seed simpler: fewer faults, fewer days, and the same rule broken.

use std::process::ExitCode;

use crate::faults::Fault;
use crate::seeds::alone;
use crate::story::Ending;
use crate::world::Plan;

/// Looks for the fewest faults and days with which a plan still breaks the rule that it breaks now. The exit code is 1 if
/// it breaks one.
pub(crate) fn run(mut plan: Plan) -> ExitCode {
    let Some(rule) = broken(&alone(plan.clone())) else {
        println!("seed {} breaks no rule", plan.seed);
        return ExitCode::SUCCESS;
    };
    println!("seed {} breaks the rule {rule}", plan.seed);
    let still_breaks = |plan: &Plan| broken(&alone(plan.clone())).as_ref() == Some(&rule);
    for fault in plan.faults.clone().iter() {
        let fewer = Plan {
            faults: plan.faults.without(fault),
            ..plan.clone()
        };
        if still_breaks(&fewer) {
            println!("not needed: {}", fault.label());
            plan = fewer;
        }
    }
    // The days before do not depend on how many follow, so the first day on which it breaks can be searched by halves.
    let (mut too_few, mut enough) = (0, plan.days);
    while enough - too_few > 1 {
        let days = too_few.midpoint(enough);
        let shorter = Plan {
            days,
            ..plan.clone()
        };
        if still_breaks(&shorter) {
            enough = days;
        } else {
            too_few = days;
        }
    }
    let faults: Vec<&str> = plan.faults.iter().map(Fault::label).collect();
    let faults = if faults.is_empty() {
        "none".to_owned()
    } else {
        faults.join(",")
    };
    println!(
        "    tests/sim --seed {} --days {enough} --faults {faults} --trace",
        plan.seed
    );
    ExitCode::FAILURE
}

/// Returns the rule that a run broke first.
fn broken(ending: &Ending) -> Option<String> {
    let first = ending.violations.first()?;
    first.split_once(':').map(|(rule, _)| rule.to_owned())
}

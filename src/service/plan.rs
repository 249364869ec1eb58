//! All specs together, checked against each other, in an order without cycles.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::{Condition, Dependency, Kind, Name, Spec};

/// The place of a service in its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Index(pub usize);

/// A service in its plan, with what it waits for resolved. Whatever it waits for stands before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub spec: Arc<Spec>,
    /// What must have been reached before it starts.
    pub needs: Vec<(Index, Condition)>,
    /// Whose fate must be known before it starts. The main command stands after everyone.
    pub after: Vec<Index>,
}

/// All services, in start order: each stands behind everything it waits for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    nodes: Vec<Node>,
    disabled: Vec<Name>,
}

/// Why specs make no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// Two of them have this name.
    Duplicate(Name),
    /// A service waits for one that does not exist.
    Missing {
        /// Who waits.
        service: Name,
        /// For whom.
        dependency: Name,
    },
    /// These wait for each other, each for the next, the last for the first.
    Cycle(Vec<Name>),
}

impl Index {
    /// Where each of `names`, which are in start order, stands.
    pub fn by_name<'a>(names: impl IntoIterator<Item = &'a Name>) -> BTreeMap<Name, Self> {
        let mut places = BTreeMap::new();
        // One by one: `collect` sorts first, with a copy of the sort for each kind of iterator.
        for (at, name) in names.into_iter().enumerate() {
            places.insert(name.clone(), Self(at));
        }
        places
    }
}

impl Plan {
    /// Puts `specs` in start order; where nothing else decides, by name.
    ///
    /// # Errors
    /// Everything that is wrong between them.
    pub fn new(specs: Vec<Spec>) -> Result<Self, Vec<PlanError>> {
        let mut errors = Vec::new();
        let mut by_name: BTreeMap<Name, Spec> = BTreeMap::new();
        for spec in specs {
            if by_name.contains_key(&spec.name) {
                errors.push(PlanError::Duplicate(spec.name));
            } else {
                by_name.insert(spec.name.clone(), spec);
            }
        }
        let everyone: Vec<Name> = by_name.keys().cloned().collect();
        let mut waits_for: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
        for (name, spec) in &by_name {
            let mut others = BTreeSet::new();
            for other in spec.waits_for() {
                if by_name.contains_key(other) {
                    others.insert(other.clone());
                } else {
                    let (service, dependency) = (name.clone(), other.clone());
                    errors.push(PlanError::Missing { service, dependency });
                }
            }
            if spec.kind == Kind::Main {
                others.extend(everyone.iter().filter(|other| *other != name).cloned());
            }
            waits_for.insert(name.clone(), others);
        }
        let order = match in_order(waits_for) {
            Ok(order) => order,
            Err(cycles) => {
                errors.extend(cycles.into_iter().map(PlanError::Cycle));
                Vec::new()
            }
        };
        if !errors.is_empty() {
            return Err(errors);
        }
        let index = Index::by_name(&order);
        let nodes = order
            .iter()
            .filter_map(|name| by_name.remove(name))
            .map(|spec| Node::new(spec, &index))
            .collect();
        Ok(Self { nodes, disabled: Vec::new() })
    }

    /// With the names of services that are described, but not enabled.
    #[must_use]
    pub fn with_disabled(self, disabled: Vec<Name>) -> Self {
        Self { disabled, ..self }
    }

    /// Services that are described, but not enabled.
    #[must_use]
    pub fn disabled(&self) -> &[Name] {
        &self.disabled
    }

    /// All services, in start order.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Gives up the plan for its services, in start order.
    #[must_use]
    pub fn into_nodes(self) -> Vec<Node> {
        self.nodes
    }
}

impl Node {
    fn new(spec: Spec, index: &BTreeMap<Name, Index>) -> Self {
        let resolve = |Dependency { name, condition }: &Dependency| {
            index.get(name).map(|at| (*at, *condition))
        };
        let needs = spec.depends_on.iter().filter_map(resolve).collect();
        let after = if spec.kind == Kind::Main {
            index.iter().filter(|(name, _)| **name != spec.name).map(|(_, at)| *at).collect()
        } else {
            // Whoever is to be ready is waited for already.
            let is_needed = |name: &&Name| {
                let mut needs = spec.depends_on.iter();
                needs.any(|it| it.name == **name && it.condition != Condition::Started)
            };
            let with = spec.restart_with.iter().filter(|name| !is_needed(name));
            let names = spec.after.iter().chain(with);
            names.filter_map(|name| index.get(name).copied()).collect()
        };
        Self { spec: Arc::new(spec), needs, after }
    }
}

/// Names in an order in which each stands behind everything it waits for, or every cycle.
fn in_order(mut waits_for: BTreeMap<Name, BTreeSet<Name>>) -> Result<Vec<Name>, Vec<Vec<Name>>> {
    let mut waited_for_by: BTreeMap<Name, Vec<Name>> = BTreeMap::new();
    for (name, others) in &waits_for {
        for other in others {
            waited_for_by.entry(other.clone()).or_default().push(name.clone());
        }
    }
    let free = waits_for.iter().filter(|(_, others)| others.is_empty());
    let mut free: BTreeSet<Name> = free.map(|(name, _)| name.clone()).collect();
    let mut order = Vec::with_capacity(waits_for.len());
    while let Some(name) = free.pop_first() {
        waits_for.remove(&name);
        for waiting in waited_for_by.remove(&name).unwrap_or_default() {
            if let Some(others) = waits_for.get_mut(&waiting) {
                others.remove(&name);
                if others.is_empty() {
                    free.insert(waiting);
                }
            }
        }
        order.push(name);
    }
    if waits_for.is_empty() { Ok(order) } else { Err(cycles(&waits_for)) }
}

/// The cycles in what could not be ordered: from anywhere in it, always going on to somebody who
/// is waited for leads into one.
fn cycles(waits_for: &BTreeMap<Name, BTreeSet<Name>>) -> Vec<Vec<Name>> {
    let mut seen: BTreeSet<&Name> = BTreeSet::new();
    let mut cycles = Vec::new();
    for start in waits_for.keys() {
        let mut path: Vec<&Name> = Vec::new();
        let mut at = start;
        while seen.insert(at) {
            path.push(at);
            let next = waits_for.get(at).and_then(|others| others.first());
            let Some(next) = next else { break };
            at = next;
        }
        // Either the path bit its own tail, or it ran into an earlier one.
        if let Some(first) = path.iter().position(|name| *name == at) {
            cycles.push(path.into_iter().skip(first).cloned().collect());
        }
    }
    cycles
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate(name) => write!(f, "there are two services named `{name}`"),
            Self::Missing { service, dependency } => {
                write!(f, "`{service}` waits for `{dependency}`, which does not exist")
            }
            Self::Cycle(names) => {
                f.write_str("these services wait for each other: ")?;
                for name in names {
                    write!(f, "{name} → ")?;
                }
                names.first().map_or(Ok(()), |first| write!(f, "{first}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Argv;

    fn spec(name: &str, needs: &[&str]) -> Spec {
        let ready = |need: &&str| Dependency {
            name: Name::new(need).unwrap(),
            condition: Condition::Ready,
        };
        Spec {
            depends_on: needs.iter().map(ready).collect(),
            ..Spec::new(Name::new(name).unwrap(), Argv::new::<&str>("true", vec![]))
        }
    }

    fn order(specs: Vec<Spec>) -> Vec<String> {
        let plan = Plan::new(specs).unwrap();
        plan.nodes().iter().map(|node| node.spec.name.to_string()).collect()
    }

    #[test]
    fn services_stand_behind_what_they_wait_for() {
        let specs =
            vec![spec("web", &["db", "migrate"]), spec("db", &[]), spec("migrate", &["db"])];
        assert_eq!(order(specs), ["db", "migrate", "web"]);
    }

    #[test]
    fn the_main_command_stands_last() {
        let specs = vec![Spec::main(Argv::new::<&str>("true", vec![])), spec("zebra", &[])];
        assert_eq!(order(specs), ["zebra", "main"]);
    }

    #[test]
    fn every_cycle_is_named_in_full() {
        let specs = vec![
            spec("a", &["b"]),
            spec("b", &["c"]),
            spec("c", &["a"]),
            spec("d", &["a"]),
            spec("e", &["e"]),
        ];
        let errors: Vec<String> =
            Plan::new(specs).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                "these services wait for each other: a → b → c → a",
                "these services wait for each other: e → e",
            ]
        );
    }

    #[test]
    fn duplicates_and_missing_services_are_reported_together() {
        let errors = Plan::new(vec![spec("a", &["x"]), spec("a", &[]), spec("b", &["y"])]);
        assert_eq!(errors.unwrap_err().len(), 3);
    }
}

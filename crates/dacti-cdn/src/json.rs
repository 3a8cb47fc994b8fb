//! Plans as JSON: positions as numbers, bytes in hex, UUIDs and encodings as text.
//!
//! Unknown fields and values are refused: a program must understand all of a plan before it carries
//! it out. Specification: `docs/spec/dacti-cdn.md`, "The plan as JSON".

use crate::{Cost, Digest, Edit, Plan, Rejected, State, Step, Strategy};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use daicon_core::Hex;
use serde::de::Error as _;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The version of plans that this crate writes and reads.
pub const PLAN_VERSION: u32 = 0;

impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut plan = serializer.serialize_struct("Plan", 9)?;
        plan.serialize_field("version", &PLAN_VERSION)?;
        plan.serialize_field("file_id", &format_args!("{}", Hex(&self.file_id)))?;
        plan.serialize_field("slice_len", &self.slice_len)?;
        plan.serialize_field("strategy", &self.strategy)?;
        plan.serialize_field("rejected", &self.rejected)?;
        plan.serialize_field("cost", &self.cost)?;
        plan.serialize_field("before", &self.before)?;
        plan.serialize_field("edits", &self.edits)?;
        plan.serialize_field("steps", &self.steps)?;
        plan.end()
    }
}

/// The fields of a plan as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(rename = "version", deserialize_with = "version")]
    _version: (),
    #[serde(deserialize_with = "array")]
    file_id: [u8; 16],
    slice_len: u64,
    strategy: Strategy,
    rejected: Vec<Rejected>,
    cost: Cost,
    before: State,
    edits: Vec<Edit>,
    steps: Vec<Step>,
}

impl<'de> Deserialize<'de> for Plan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Fields { file_id, slice_len, strategy, rejected, cost, before, edits, steps, .. } =
            Fields::deserialize(deserializer)?;
        Ok(Self { file_id, slice_len, edits, strategy, rejected, cost, before, steps })
    }
}

fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    match u32::deserialize(deserializer)? {
        PLAN_VERSION => Ok(()),
        found => {
            let message = alloc::format!(
                "plan version {found}, but only version {PLAN_VERSION} is supported: use a newer \
                 program"
            );
            Err(D::Error::custom(message))
        }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| {
        let byte = (digit(high)? << 4) | digit(low)?;
        u8::try_from(byte).ok()
    };
    pairs.iter().map(byte).collect::<Option<_>>().filter(|_| rest.is_empty())
}

pub(crate) fn array<'de, const N: usize, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<[u8; N], D::Error> {
    let bytes = hex::deserialize(deserializer)?;
    bytes.try_into().map_err(|_| D::Error::custom(alloc::format!("expected {N} bytes in hex")))
}

/// Bytes in hex.
pub(crate) mod hex {
    use super::{Deserialize, Deserializer, Hex, Serializer, String, Vec, unhex};
    use serde::de::Error as _;

    pub(crate) fn serialize<S: Serializer>(
        bytes: impl AsRef<[u8]>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Hex(bytes.as_ref()))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        unhex(&text).ok_or_else(|| D::Error::custom("expected pairs of lower-case hex digits"))
    }
}

/// Eight bytes in hex.
pub(crate) mod data {
    pub(crate) use super::array as deserialize;
    pub(crate) use super::hex::serialize;
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        array(deserializer).map(Self)
    }
}

/// A span as position and length.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    at: u64,
    len: u64,
}

impl From<&daicon_core::Span> for Place {
    fn from(span: &daicon_core::Span) -> Self {
        Self { at: span.start, len: span.len() }
    }
}

impl Place {
    fn span<E: serde::de::Error>(&self) -> Result<daicon_core::Span, E> {
        let span = daicon_core::Span::new(self.at, self.len);
        span.ok_or_else(|| E::custom("position and length add up to more than 2^64 - 1"))
    }
}

/// A span.
pub(crate) mod span {
    use super::{Deserialize, Deserializer, Place, Serialize, Serializer};
    use daicon_core::Span;

    pub(crate) fn serialize<S: Serializer>(span: &Span, serializer: S) -> Result<S::Ok, S::Error> {
        Place::from(span).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Span, D::Error> {
        Place::deserialize(deserializer)?.span()
    }
}

/// Several spans.
pub(crate) mod spans {
    use super::{Deserialize, Deserializer, Place, Serializer, Vec};
    use daicon_core::Span;

    pub(crate) fn serialize<S: Serializer>(
        spans: &[Span],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(spans.iter().map(Place::from))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Span>, D::Error> {
        Vec::<Place>::deserialize(deserializer)?.iter().map(Place::span).collect()
    }
}

/// A UUID in its text form.
pub(crate) mod uuid_text {
    use super::{Deserialize, Deserializer, Serializer, String};
    use serde::de::Error as _;
    use uuid::Uuid;

    pub(crate) fn serialize<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Uuid, D::Error> {
        let text = String::deserialize(deserializer)?;
        Uuid::try_parse(&text).map_err(|_| D::Error::custom("expected a UUID"))
    }
}

/// An encoding tag without its padding.
pub(crate) mod encoding_text {
    use super::{Deserialize, Deserializer, Serializer, String, ToString};
    use dacti_index::Encoding;
    use serde::de::Error as _;
    use serde::ser::Error as _;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    pub(crate) fn serialize<S: Serializer>(
        encoding: &Encoding,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let name = encoding.name().map(ToString::to_string);
        let name = name.ok_or_else(|| S::Error::custom("the encoding tag is not text"))?;
        serializer.serialize_str(&name)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Encoding, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut tag = [0; 4];
        let padded = tag.get_mut(..text.len()).filter(|_| !text.contains('\0'));
        let padded = padded.ok_or_else(|| D::Error::custom("expected an encoding of 1 to 4 bytes"));
        padded?.copy_from_slice(text.as_bytes());
        Ok(Encoding::from_tag(tag))
    }
}

/// A version as `major.minor`.
pub(crate) mod version_text {
    use super::{Deserialize, Deserializer, Serializer, String};
    use daicon_core::Version;
    use serde::de::Error as _;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    pub(crate) fn serialize<S: Serializer>(
        version: &Version,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}.{}", version.major, version.minor))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Version, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parts = text.split_once('.');
        let parts = parts.and_then(|(major, minor)| major.parse().ok().zip(minor.parse().ok()));
        let parts = parts.map(|(major, minor)| Version::new(major, minor));
        parts.ok_or_else(|| D::Error::custom("expected a version such as 1.0"))
    }
}

#[cfg(test)]
mod tests {
    use crate::world::{fresh, put, remove};
    use crate::{
        ComponentContent, Digest, Edit, NewComponent, Plan, Purge, UpdatePolicy, check, plan,
    };
    use daicon_core::Version;
    use serde_json::Value;
    use std::string::{String, ToString};
    use std::vec::Vec;
    use uuid::Uuid;

    fn plans() -> Vec<Plan> {
        let world = fresh(5);
        let snapshot = world.scanned();
        let new = |n, content| {
            let id = Uuid::from_u128(n);
            Edit::Component(NewComponent { id, version: Version::new(1, 2), content })
        };
        let region = ComponentContent::Region { size: 9, digest: Digest::of(&[0; 9]) };
        let data = ComponentContent::Data([1, 2, 3, 4, 5, 6, 7, 8]);
        let policy =
            UpdatePolicy { purge: Purge::Probed, confirm: true, ..UpdatePolicy::default() };
        let edits = [
            [put(9, 6)].to_vec(),
            [new(7, region), new(8, data)].to_vec(),
            [new(7, region), Edit::ExplicitIds].to_vec(),
            [put(9, 6), remove(3), new(7, region)].to_vec(),
        ];
        let plans = edits.iter().map(|edits| plan(&snapshot, edits, &policy).unwrap());
        let plans: Vec<_> = plans.collect();
        for plan in &plans {
            assert_eq!(check(plan, &snapshot), Ok(()));
        }
        plans
    }

    #[test]
    fn plans_of_all_strategies_come_back_as_they_were() {
        use crate::Strategy::{Changes, Delta, FirstTable, Fold, SecondTable};
        let (in_parts, edits) = (crate::world::in_parts(2600, 8), [put(9, 6), remove(3)]);
        let snapshot = in_parts.with_changes();
        let changes = plan(&snapshot, &edits, &UpdatePolicy::default()).unwrap();
        let strategies = [Delta, FirstTable, SecondTable, Fold, Changes];
        for (plan, strategy) in plans().iter().chain([&changes]).zip(strategies) {
            assert_eq!(plan.strategy, strategy);
            let text = serde_json::to_string_pretty(plan).unwrap();
            assert_eq!(&serde_json::from_str::<Plan>(&text).unwrap(), plan, "{text}");
        }
    }

    #[track_caller]
    fn refused(from: &str, to: &str, expected: &str) {
        let text = serde_json::to_string(&plans()[3]).unwrap();
        assert!(text.contains(from), "{text}");
        let error = serde_json::from_str::<Plan>(&text.replacen(from, to, 1)).unwrap_err();
        let error: String = error.to_string();
        assert!(error.contains(expected), "{error}");
    }

    /// Adds changed copies of `value` to `out`: at least one for each leaf of the JSON, with the
    /// path of that leaf.
    fn mutants(value: &Value, path: &str, out: &mut Vec<(String, Value)>) {
        let below = |key: &str, child: &Value, put: &dyn Fn(Value) -> Value, out: &mut Vec<_>| {
            let mut inner = Vec::new();
            mutants(child, &std::format!("{path}/{key}"), &mut inner);
            out.extend(inner.into_iter().map(|(path, changed)| (path, put(changed))));
        };
        match value {
            Value::Object(fields) => {
                for (key, child) in fields {
                    let put = |changed| {
                        let mut fields = fields.clone();
                        fields.insert(key.clone(), changed);
                        Value::Object(fields)
                    };
                    below(key, child, &put, out);
                }
            }
            Value::Array(items) => {
                for (i, child) in items.iter().enumerate() {
                    let put = |changed| {
                        let mut items = items.clone();
                        items[i] = changed;
                        Value::Array(items)
                    };
                    below(&i.to_string(), child, &put, out);
                    let mut fewer = items.clone();
                    fewer.remove(i);
                    out.push((std::format!("{path}/-{i}"), Value::Array(fewer)));
                }
            }
            Value::Number(n) => {
                let n = n.as_u64().unwrap();
                out.extend([n + 1, n ^ 0x1_0000].map(|n| (path.to_string(), n.into())));
                out.extend(n.checked_sub(1).map(|n| (path.to_string(), n.into())));
            }
            Value::String(text) => {
                let text = text.as_bytes();
                for at in [0, text.len().saturating_sub(1), text.len() / 2] {
                    let mut changed = text.to_vec();
                    if let Some(byte) = changed.get_mut(at) {
                        *byte = if *byte == b'0' { b'1' } else { b'0' };
                    }
                    let changed = String::from_utf8(changed).unwrap();
                    out.push((path.to_string(), changed.into()));
                }
            }
            Value::Bool(_) | Value::Null => {}
        }
    }

    #[test]
    fn no_value_of_a_plan_can_be_another() {
        // spec: R-CDN-40, R-CDN-41
        let world = fresh(5);
        let snapshot = world.scanned();
        let mut refused = 0;
        for plan in plans() {
            let value = serde_json::to_value(&plan).unwrap();
            let mut changed = Vec::new();
            mutants(&value, "", &mut changed);
            for (path, value) in changed {
                // A change of these fields has no effect on readers of the package, so the check
                // need not find it.
                let told = ["/rejected", "/cost/bytes_dying", "/purge"];
                let told = told.iter().any(|told| path.contains(told));
                if told || path.ends_with("/replaced_len") {
                    continue;
                }
                let Ok(mutant) = serde_json::from_value::<Plan>(value) else { continue };
                if mutant == plan {
                    continue;
                }
                // A plan is valid without its closing barrier.
                let last = plan.steps.len() - 1;
                let probe = std::format!("/steps/{last}/action/barrier/probes/-0");
                if path == std::format!("/steps/-{last}") || path == probe {
                    continue;
                }
                assert!(check(&mutant, &snapshot).is_err(), "{path}");
                refused += 1;
            }
        }
        assert!(refused > 500, "{refused}");
    }

    /// Returns the value with three dots in place of each digest.
    fn without_digests(value: Value) -> Value {
        match value {
            Value::String(text) if text.len() == 64 => "…".into(),
            Value::Array(items) => items.into_iter().map(without_digests).collect(),
            Value::Object(fields) => {
                let fields = fields.into_iter();
                fields.map(|(key, value)| (key, without_digests(value))).collect()
            }
            value => value,
        }
    }

    #[test]
    fn the_example_of_the_specification_is_what_is_written() {
        let page = include_str!("../../../docs/spec/dacti-cdn.md");
        let (_, example) = page.split_once("```json").unwrap();
        let (example, _) = example.split_once("```").unwrap();
        let example: Value = serde_json::from_str(example).unwrap();
        let snapshot = fresh(5).snapshot().unwrap();
        let plan = plan(&snapshot, &[put(9, 6)], &UpdatePolicy::default()).unwrap();
        assert_eq!(without_digests(serde_json::to_value(plan).unwrap()), example);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        // spec: R-CDN-43
        refused(
            "\"version\":0",
            "\"version\":1",
            "plan version 1, but only version 0 is supported",
        );
        refused("\"version\":0", "\"version\":0,\"more\":1", "unknown field `more`");
        refused("\"slices_fresh\"", "\"sliced\":1,\"slices_fresh\"", "unknown field `sliced`");
        refused("{\"switch\":", "{\"flip\":", "unknown variant `flip`");
        refused("\"probes\":", "\"quiet\":true,\"probes\":", "unknown field `quiet`");
        refused("\"field\":\"extension\"", "\"field\":\"length\"", "unknown variant");
        refused("\"version\":0,", "", "missing field `version`");
    }

    #[test]
    fn bytes_texts_and_places_that_cannot_be_are_refused() {
        refused("\"file_id\":\"66", "\"file_id\":\"6", "hex");
        refused("\"file_id\":\"66", "\"file_id\":\"6666", "expected 16 bytes in hex");
        refused("\"file_id\":\"66", "\"file_id\":\"FF", "lower-case hex");
        refused("\"encoding\":\"none\"", "\"encoding\":\"noneX\"", "1 to 4 bytes");
        refused("\"version\":\"1.2\"", "\"version\":\"1\"", "such as 1.0");
        refused("\"id\":\"01", "\"id\":\"x1", "expected a UUID");
        let max = u64::MAX.to_string();
        refused(
            "{\"at\":0,\"len\":",
            &["{\"at\":", &max, ",\"len\":"].concat(),
            "more than 2^64 - 1",
        );
    }
}

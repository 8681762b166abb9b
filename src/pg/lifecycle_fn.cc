// What the workflow in schema segmentation asks of the core: the plan of a training and its preparation, models made from models, and
// the matching of segments. Functions of their arguments alone; who may do what is decided in SQL (src/sql/65_rights.sql).
#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "core/json_writer.h"
#include "core/match.h"
#include "core/model_edit.h"
#include "core/outliers.h"
#include "core/preparation.h"
#include "core/profile_check.h"
#include "core/risk.h"
#include "pg/array_arg.h"
#include "pg/fit_request.h"
#include "pg/model_type.h"
#include "pg/result_rows.h"
#include "pg/row_arg.h"

namespace segmentation {
namespace {

std::string_view JsonArgument(FunctionCallInfo fcinfo, int argument) {
  return OptionsText(reinterpret_cast<struct varlena*>(PG_GETARG_JSONB_P(argument)));
}

Datum JsonDatum(const char* text) { return DirectFunctionCall1(jsonb_in, CStringGetDatum(text)); }

// A one-dimensional array without NULLs, of a type of fixed length.
ArrayType* PlainArray(FunctionCallInfo fcinfo, int argument) {
  ArrayType* array = PG_GETARG_ARRAYTYPE_P(argument);
  if (ARR_NDIM(array) > 1) ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("array must have one dimension")));
  if (ARR_HASNULL(array)) ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("array must not contain null values")));
  return array;
}

std::size_t LengthOf(const ArrayType* array) { return ARR_NDIM(array) == 0 ? 0 : static_cast<std::size_t>(ARR_DIMS(array)[0]); }

template <typename Value>
std::vector<Value> ValuesOf(ArrayType* array) {
  const auto* values = reinterpret_cast<const Value*>(ARR_DATA_PTR(array));
  return std::vector<Value>(values, values + LengthOf(array));
}

// A model that is made inside C++ from those of arguments.
template <typename Make>
Datum MadeModel(Make&& make) {
  struct varlena* value = nullptr;
  CallCore([&] { value = MakeModelValue(make()); });
  return PointerGetDatum(value);
}

std::string PreparationJson(const TrainingPlan& plan, const JsonValue& survey) {
  const std::string missing = MissingIn(plan, survey);
  const std::string undefined = UndefinedIn(plan, survey);
  std::string out;
  ObjectWriter to(&out);
  to.Text("missing", missing);
  to.Text("undefined", undefined);
  if (missing.empty() && undefined.empty()) {
    const Preparation preparation = MakePreparation(plan, survey);
    *to.Key("model") += EncodeModel(preparation.model);
    to.Texts("columns", ColumnNames(preparation.model));
    AppendJsonArray(to.Key("blocks"), preparation.blocks, [](std::string* json, const std::pair<std::size_t, std::size_t>& block) {
      *json += "[" + std::to_string(block.first + 1) + "," + std::to_string(block.second + 1) + "]";
    });
    const auto bound = [](std::string* json, const std::optional<double>& value) { AppendNumberOrNull(json, value.value_or(Metrics::kUndefined)); };
    AppendJsonArray(to.Key("low"), preparation.low, bound);
    AppendJsonArray(to.Key("high"), preparation.high, bound);
  }
  to.Close();
  return out;
}

// More segments are not worth matching, and would take minutes.
constexpr std::size_t kMostSegments = 2000;

Contingency TableOf(const std::vector<std::int32_t>& olds, const std::vector<std::int32_t>& news, std::vector<double> rows) {
  if (std::max(olds.size(), news.size()) > kMostSegments) {
    throw Error(ErrorCode::kLimit, "too many segments to compare with those of another version",
                "Each version can have " + std::to_string(kMostSegments) + ".", "Train with a smaller \"k\", or under another name.");
  }
  if (rows.size() != olds.size() * news.size()) {
    throw Error(ErrorCode::kDimensionMismatch, "table of common rows does not match the segments",
                "It has " + std::to_string(rows.size()) + " cells for " + std::to_string(olds.size()) + " old and " +
                    std::to_string(news.size()) + " new segments.");
  }
  for (double cell : rows) {
    if (!(cell >= 0) || !std::isfinite(cell)) throw Error(ErrorCode::kInvalidParameter, "numbers of rows must not be negative");
  }
  return {olds.size(), news.size(), std::move(rows)};
}

template <ArgumentKind kKind>
Datum Encode(FunctionCallInfo fcinfo) {
  CachedModel* model = CachedModelOf(fcinfo, 0);
  const double* point = ReadPoint(fcinfo, model, kKind, 1);
  if (point == nullptr) PG_RETURN_NULL();
  PG_RETURN_DATUM(FloatArrayDatum(point, model->scorer().dimensions()));
}

}  // namespace

// (options, k): raises what a training with them would raise.
SEGMENTATION_FUNCTION(check_options) {
  const std::string_view options = JsonArgument(fcinfo, 0);
  const std::int32_t k = PG_GETARG_INT32(1);
  CallCore([&] { CheckOptions(ParseOptions(options, OptionsOf::kTrain), k, 0); });
  PG_RETURN_VOID();
}

// (command, hint): a procedure's COMMIT fails under the same condition, with less to say.
SEGMENTATION_FUNCTION(check_commits) {
  if (IsTransactionBlock()) {
    ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION), errmsg("%s cannot run inside a transaction block", text_to_cstring(PG_GETARG_TEXT_PP(0))),
                    errhint("%s", text_to_cstring(PG_GETARG_TEXT_PP(1)))));
  }
  PG_RETURN_VOID();
}

// (plan): whether data have to be surveyed first, and for what.
SEGMENTATION_FUNCTION(plan_training) {
  const std::string_view json = JsonArgument(fcinfo, 0);
  char* answer = nullptr;
  CallCore([&] {
    const TrainingPlan plan = ParseTrainingPlan(json);
    const bool leaves_out = plan.outliers.method != OutlierMethod::kNone;
    std::string out;
    ObjectWriter to(&out);
    to.Bool("needs_survey", NeedsSurvey(plan));
    to.NumberOrNull("max_left_out", leaves_out ? plan.outliers.max_share : Metrics::kUndefined);
    if (plan.outliers.method == OutlierMethod::kLof) {
      ObjectWriter lof(to.Key("lof"));
      lof.Number("neighbors", plan.outliers.neighbors);
      lof.Number("contamination", plan.outliers.contamination);
      lof.Close();
    }
    *to.Key("request") += SurveyRequestOf(plan);
    to.Close();
    answer = AllocateString(out);
  });
  PG_RETURN_DATUM(JsonDatum(answer));
}

// (factors, contamination): NULL factors are of rows that have none.
SEGMENTATION_FUNCTION(contamination_threshold) {
  ArrayType* array = PG_GETARG_ARRAYTYPE_P(0);
  if (ARR_NDIM(array) == 0) PG_RETURN_NULL();
  const FeatureArray factors = ReadFeatures(array);
  const double contamination = PG_GETARG_FLOAT8(1);
  if (!(contamination > 0 && contamination <= 0.5)) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("contamination must be above 0 and at most 0.5")));
  }
  double threshold = 0;
  bool found = false;
  CallCore([&] {
    std::vector<double> known(static_cast<std::size_t>(factors.length));
    CopyFeatures(factors, known.data());
    known.erase(std::remove_if(known.begin(), known.end(), [](double factor) { return std::isnan(factor); }), known.end());
    found = !known.empty();
    if (found) threshold = ContaminationThreshold(known, contamination);
  });
  if (!found) PG_RETURN_NULL();
  PG_RETURN_FLOAT8(threshold);
}

// (plan, survey)
SEGMENTATION_FUNCTION(prepare_training) {
  if (PG_ARGISNULL(0)) ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("plan of a training must not be null")));
  const std::string_view plan = JsonArgument(fcinfo, 0);
  const std::string_view survey = PG_ARGISNULL(1) ? "null" : JsonArgument(fcinfo, 1);
  char* answer = nullptr;
  CallCore([&] {
    answer = AllocateString(PreparationJson(ParseTrainingPlan(plan), ParseJson(survey, ErrorCode::kInvalidParameter, "survey", ServerInterrupt())));
  });
  PG_RETURN_DATUM(JsonDatum(answer));
}

// (preparation, trained, left_out, skipped)
SEGMENTATION_FUNCTION(assemble_model) {
  const struct varlena* preparation = ModelArgument(fcinfo, 0);
  const struct varlena* trained = ModelArgument(fcinfo, 1);
  const std::int64_t left_out = PG_GETARG_INT64(2);
  const std::int64_t skipped = PG_GETARG_INT64(3);
  if (left_out < 0 || skipped < 0) ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("numbers of rows must not be negative")));
  return MadeModel([&] {
    return AssembleModel(ReadModelValue(preparation), ReadModelValue(trained), static_cast<std::uint64_t>(left_out),
                         static_cast<std::uint64_t>(skipped));
  });
}

// (model, ids)
SEGMENTATION_FUNCTION(renumber_model) {
  const struct varlena* model = ModelArgument(fcinfo, 0);
  ArrayType* ids = PlainArray(fcinfo, 1);
  return MadeModel([&] { return Renumber(ReadModelValue(model), ValuesOf<std::int32_t>(ids)); });
}

// (model, onto)
SEGMENTATION_FUNCTION(model_seen_by) {
  const struct varlena* model = ModelArgument(fcinfo, 0);
  const struct varlena* onto = ModelArgument(fcinfo, 1);
  return MadeModel([&] { return SeenBy(ReadModelValue(model), ReadModelValue(onto)); });
}

// (model, onto): for option warm_start.
SEGMENTATION_FUNCTION(centroids_onto) {
  const struct varlena* model = ModelArgument(fcinfo, 0);
  const struct varlena* onto = ModelArgument(fcinfo, 1);
  char* answer = nullptr;
  CallCore([&] {
    const Model target = ReadModelValue(onto);
    const std::vector<double> centroids = CentroidsOnto(ReadModelValue(model), target);
    std::string out = "[";
    for (std::size_t at = 0; at < centroids.size(); at += target.Columns()) {
      if (at > 0) out += ',';
      AppendJsonNumbers(&out, centroids.data() + at, target.Columns());
    }
    answer = AllocateString(out + "]");
  });
  PG_RETURN_DATUM(JsonDatum(answer));
}

// (old ids, new ids, rows in common)
SEGMENTATION_FUNCTION(match_segments) {
  ArrayType* olds = PlainArray(fcinfo, 0);
  ArrayType* news = PlainArray(fcinfo, 1);
  ArrayType* rows = PlainArray(fcinfo, 2);
  char* answer = nullptr;
  CallCore([&] {
    const std::vector<std::int32_t> old_ids = ValuesOf<std::int32_t>(olds);
    const std::vector<std::int32_t> new_ids = ValuesOf<std::int32_t>(news);
    const Contingency table = TableOf(old_ids, new_ids, ValuesOf<double>(rows));
    const std::vector<std::size_t> matched = MatchSegments(table, ServerInterrupt());
    std::string out;
    ObjectWriter to(&out);
    to.Number("adjusted_rand_index", AdjustedRandIndex(table));
    *to.Key("segments") += '[';
    for (std::size_t j = 0; j < matched.size(); ++j) {
      if (j > 0) out += ',';
      ObjectWriter segment(&out);
      segment.Number("segment", std::int64_t{new_ids[j]});
      if (matched[j] == kUnmatched) {
        segment.Null("continues");
        segment.Null("jaccard");
      } else {
        segment.Number("continues", std::int64_t{old_ids[matched[j]]});
        segment.Number("jaccard", Jaccard(table, matched[j], j));
      }
      segment.Close();
    }
    out += ']';
    to.Close();
    answer = AllocateString(out);
  });
  PG_RETURN_DATUM(JsonDatum(answer));
}

// (profile, segments)
SEGMENTATION_FUNCTION(check_profile) {
  const std::string_view profile = JsonArgument(fcinfo, 0);
  const auto segments = static_cast<std::size_t>(std::max(PG_GETARG_INT32(1), 0));
  CallCore([&] { CheckProfile(profile, segments); });
  PG_RETURN_VOID();
}

// (known, events): by segment; a row for each (core/risk.h).
SEGMENTATION_FUNCTION(compare_risks) {
  ResultRows rows(fcinfo);
  ArrayType* known = PlainArray(fcinfo, 0);
  ArrayType* events = PlainArray(fcinfo, 1);
  if (LengthOf(known) != LengthOf(events)) ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("arrays of outcomes must have one length")));
  Risk* risks = nullptr;
  CallCore([&] {
    const std::vector<std::int64_t> known_rows = ValuesOf<std::int64_t>(known);
    const std::vector<std::int64_t> event_rows = ValuesOf<std::int64_t>(events);
    std::vector<OutcomeCounts> counts;
    for (std::size_t s = 0; s < known_rows.size(); ++s) {
      if (event_rows[s] < 0 || event_rows[s] > known_rows[s]) throw Error(ErrorCode::kInvalidParameter, "there must be from 0 to as many events as known outcomes");
      counts.push_back({static_cast<std::uint64_t>(known_rows[s]), static_cast<std::uint64_t>(event_rows[s])});
    }
    const std::vector<Risk> found = CompareRisks(counts);
    risks = static_cast<Risk*>(Allocate((found.size() + 1) * sizeof(Risk)));
    std::copy(found.begin(), found.end(), risks);
  });
  for (std::size_t s = 0; s < LengthOf(known); ++s) {
    const Risk& risk = risks[s];
    constexpr int kColumns = 11;
    Datum values[kColumns];
    bool nulls[kColumns] = {};
    int at = 0;
    values[at++] = Int32GetDatum(static_cast<int32>(s + 1));
    for (double number : {risk.rate, risk.rate_low, risk.rate_high, risk.rest_rate, risk.difference, risk.difference_low, risk.difference_high, risk.p, risk.p_corrected}) {
      values[at] = FloatOrNull(number, &nulls[at]);
      ++at;
    }
    values[at++] = CStringGetTextDatum(Name(risk.verdict));
    Assert(at == kColumns);
    rows.Add(values, nulls);
  }
  PG_RETURN_NULL();
}

// (preparation, features): the columns of a row.
SEGMENTATION_FUNCTION(encode_array) { return Encode<ArgumentKind::kArray>(fcinfo); }
SEGMENTATION_FUNCTION(encode_row) { return Encode<ArgumentKind::kRow>(fcinfo); }

}  // namespace segmentation

// What the workflow in schema segmentation asks of the core: the plan of a training and its preparation, models made from models, and
// the matching of segments. Functions of their arguments alone; who may do what is decided in SQL (src/sql/65_rights.sql).
#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "core/match.h"
#include "core/model_edit.h"
#include "core/preparation.h"
#include "pg/fit_request.h"
#include "pg/model_type.h"
#include "pg/result_rows.h"
#include "pg/row_arg.h"

namespace segmentation {
namespace {

const struct varlena* ModelArgument(FunctionCallInfo fcinfo, int argument) {
  return reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(argument)));
}

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

void AppendNumberOrNull(std::string* out, const std::optional<double>& value) {
  if (value && std::isfinite(*value)) {
    AppendJsonNumber(out, *value);
  } else {
    *out += "null";
  }
}

std::string PreparationJson(const TrainingPlan& plan, const JsonValue& survey) {
  const std::string missing = MissingIn(plan, survey);
  const std::string undefined = UndefinedIn(plan, survey);
  std::string out = "{\"missing\":";
  AppendJsonString(&out, missing);
  out += ",\"undefined\":";
  AppendJsonString(&out, undefined);
  if (!missing.empty() || !undefined.empty()) return out + "}";
  const Preparation preparation = MakePreparation(plan, survey);
  out += ",\"model\":" + EncodeModel(preparation.model) + ",\"columns\":[";
  const std::vector<std::string> names = ColumnNames(preparation.model);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += ',';
    AppendJsonString(&out, names[i]);
  }
  out += "],\"blocks\":[";
  for (std::size_t i = 0; i < preparation.blocks.size(); ++i) {
    if (i > 0) out += ',';
    out += "[" + std::to_string(preparation.blocks[i].first + 1) + "," + std::to_string(preparation.blocks[i].second + 1) + "]";
  }
  for (const auto& [key, bounds] : {std::pair{"low", &preparation.low}, std::pair{"high", &preparation.high}}) {
    out += std::string("],\"") + key + "\":[";
    for (std::size_t i = 0; i < bounds->size(); ++i) {
      if (i > 0) out += ',';
      AppendNumberOrNull(&out, (*bounds)[i]);
    }
  }
  return out + "]}";
}

// More segments are not worth matching, and would take minutes.
constexpr std::size_t kMostSegments = 2000;

Contingency TableOf(const std::vector<std::int32_t>& olds, const std::vector<std::int32_t>& news, std::vector<double> rows) {
  if (std::max(olds.size(), news.size()) > kMostSegments) {
    throw Error(ErrorCode::kLimit, "too many segments to match", "There can be " + std::to_string(kMostSegments) + " on each side.");
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
  const std::size_t columns = model->scorer().dimensions();
  const std::size_t bytes = ARR_OVERHEAD_NONULLS(1) + columns * sizeof(double);
  auto* array = static_cast<ArrayType*>(palloc0(bytes));
  SET_VARSIZE(array, bytes);
  array->ndim = 1;
  array->elemtype = FLOAT8OID;
  ARR_DIMS(array)[0] = static_cast<int>(columns);
  ARR_LBOUND(array)[0] = 1;
  memcpy(ARR_DATA_PTR(array), point, columns * sizeof(double));
  PG_RETURN_ARRAYTYPE_P(array);
}

}  // namespace

// (options, k): raises what a training with them would raise.
SEGMENTATION_FUNCTION(check_options) {
  const std::string_view options = JsonArgument(fcinfo, 0);
  const std::int32_t k = PG_GETARG_INT32(1);
  CallCore([&] { CheckOptions(ParseOptions(options), k, 0); });
  PG_RETURN_VOID();
}

// (plan): whether data have to be surveyed first, and for what.
SEGMENTATION_FUNCTION(plan_training) {
  const std::string_view json = JsonArgument(fcinfo, 0);
  char* answer = nullptr;
  CallCore([&] {
    const TrainingPlan plan = ParseTrainingPlan(json);
    std::string share = "null";
    if (plan.outliers.method != OutlierMethod::kNone) AppendJsonNumber(&(share = ""), plan.outliers.max_share);
    answer = AllocateString(std::string("{\"needs_survey\":") + (NeedsSurvey(plan) ? "true" : "false") + ",\"max_left_out\":" + share +
                            ",\"request\":" + SurveyRequestOf(plan) + "}");
  });
  PG_RETURN_DATUM(JsonDatum(answer));
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
    std::string out = "{\"adjusted_rand_index\":";
    AppendJsonNumber(&out, AdjustedRandIndex(table));
    out += ",\"segments\":[";
    for (std::size_t j = 0; j < matched.size(); ++j) {
      out += std::string(j > 0 ? "," : "") + "{\"segment\":" + std::to_string(new_ids[j]) + ",\"continues\":";
      out += matched[j] == kUnmatched ? "null,\"jaccard\":null}" : std::to_string(old_ids[matched[j]]) + ",\"jaccard\":";
      if (matched[j] == kUnmatched) continue;
      AppendJsonNumber(&out, Jaccard(table, matched[j], j));
      out += '}';
    }
    answer = AllocateString(out + "]}");
  });
  PG_RETURN_DATUM(JsonDatum(answer));
}

// (preparation, features): the columns of a row.
SEGMENTATION_FUNCTION(encode_array) { return Encode<ArgumentKind::kArray>(fcinfo); }
SEGMENTATION_FUNCTION(encode_row) { return Encode<ArgumentKind::kRow>(fcinfo); }

}  // namespace segmentation

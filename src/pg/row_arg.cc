#include "pg/row_arg.h"

#include <cmath>
#include <cstring>

#include "pg/array_arg.h"

namespace segmentation {

// Where the inputs of a model are found. Names are in the server's encoding.
struct InputBinding {
  char* name;
  int name_bytes;
  int attribute;      // 1-based; 0 for jsonb
  Oid base_type;
  FmgrInfo output;    // of a categorical's type
};

struct RowBinding {
  std::uint64_t tuple_identifier;  // of the row type as it was bound; 0 for jsonb
  InputBinding inputs[FLEXIBLE_ARRAY_MEMBER];
};

namespace {

// The names alone, which is all that jsonb needs.
RowBinding* NewBinding(CachedModel* model) {
  const Scorer scorer = model->scorer();
  auto* binding = static_cast<RowBinding*>(
      MemoryContextAllocZero(model->context, offsetof(RowBinding, inputs) + scorer.inputs() * sizeof(InputBinding)));
  MemoryContext outer = MemoryContextSwitchTo(model->context);
  for (std::size_t i = 0; i < scorer.inputs(); ++i) {
    const std::string_view utf8 = scorer.name(i);
    const char* copy = pnstrdup(utf8.data(), utf8.size());
    const std::string_view name = FromUtf8(std::string_view(copy, utf8.size()));
    binding->inputs[i].name = const_cast<char*>(name.data());
    binding->inputs[i].name_bytes = static_cast<int>(name.size());
  }
  MemoryContextSwitchTo(outer);
  return binding;
}

bool IsNumber(Oid type) {
  switch (type) {
    case FLOAT8OID: case FLOAT4OID: case INT2OID: case INT4OID: case INT8OID: case NUMERICOID: case BOOLOID: return true;
    default: return false;
  }
}

double ToDouble(Datum value, Oid type) {
  switch (type) {
    case FLOAT8OID: return DatumGetFloat8(value);
    case FLOAT4OID: return DatumGetFloat4(value);
    case INT2OID: return DatumGetInt16(value);
    case INT4OID: return DatumGetInt32(value);
    case INT8OID: return static_cast<double>(DatumGetInt64(value));
    case BOOLOID: return DatumGetBool(value) ? 1 : 0;
    default: return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, value));
  }
}

[[noreturn]] void RaiseMissingColumn(const InputBinding& input) {
  ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("row has no column \"%s\"", input.name),
                  errdetail("The model reads rows by the names of its inputs."),
                  errhint("Pass a row that has the columns the model was trained on, or name the inputs in training by option "
                          "\"features\".")));
  pg_unreachable();
}

// Types whose text form is the same in every session, and in to_jsonb.
bool IsCategory(Oid type) {
  switch (type) {
    case TEXTOID: case VARCHAROID: case BPCHAROID: case NAMEOID: case BOOLOID: case INT2OID: case INT4OID: case INT8OID:
    case NUMERICOID: case UUIDOID: return true;
    default: return type_is_enum(type);
  }
}

void BindColumn(InputBinding* input, TupleDesc descriptor, bool categorical, MemoryContext context) {
  input->attribute = 0;
  for (int i = 0; i < descriptor->natts; ++i) {
    Form_pg_attribute attribute = TupleDescAttr(descriptor, i);
    if (attribute->attisdropped || strcmp(NameStr(attribute->attname), input->name) != 0) continue;
    if (input->attribute != 0) {
      ereport(ERROR, (errcode(ERRCODE_AMBIGUOUS_COLUMN), errmsg("row has more than one column \"%s\"", input->name),
                      errhint("The model reads rows by the names of its inputs: give the columns different names.")));
    }
    input->attribute = i + 1;
    input->base_type = getBaseType(attribute->atttypid);
    if (categorical && !IsCategory(input->base_type)) {
      ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                      errmsg("column \"%s\" is of type %s, and the model needs a category", input->name,
                             format_type_be(attribute->atttypid)),
                      errdetail("The text form of this type depends on settings of the session."),
                      errhint("Cast the column to text in a view or a subquery.")));
    }
    if (categorical) {
      Oid output;
      bool is_varlena;
      getTypeOutputInfo(attribute->atttypid, &output, &is_varlena);
      fmgr_info_cxt(output, &input->output, context);
    } else if (!IsNumber(input->base_type)) {
      ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                      errmsg("column \"%s\" is of type %s, and the model needs a number", input->name,
                             format_type_be(attribute->atttypid)),
                      errhint("Cast the column to double precision in a view or a subquery.")));
    }
  }
  if (input->attribute == 0) RaiseMissingColumn(*input);
}

// Where the model's inputs are in rows of this type; found once per type.
const RowBinding* BindRow(CachedModel* model, Oid type, int32 typmod) {
  const std::uint64_t identifier = assign_record_type_identifier(type, typmod);
  if (likely(model->binding != nullptr && model->binding->tuple_identifier == identifier)) return model->binding;
  RowBinding* binding = model->binding != nullptr ? model->binding : NewBinding(model);
  binding->tuple_identifier = 0;
  model->binding = binding;
  TupleDesc descriptor = lookup_rowtype_tupdesc(type, typmod);
  const Scorer scorer = model->scorer();
  for (std::size_t i = 0; i < scorer.inputs(); ++i) {
    BindColumn(&binding->inputs[i], descriptor, scorer.is_categorical(i), model->context);
  }
  ReleaseTupleDesc(descriptor);
  binding->tuple_identifier = identifier;
  return binding;
}

RawValue CategoricalValue(const char* server_text) {
  return {false, 0, ToUtf8(std::string_view(server_text))};
}

const double* PointOfValues(CachedModel* model, const RawValue* values) {
  const Scorer scorer = model->scorer();
  model->mixed = values;
  if (scorer.has_categorical()) return scorer.ToModelSpace(values, model->scratch);
  for (std::size_t i = 0; i < scorer.inputs(); ++i) model->values[i] = values[i].missing ? kMissing : values[i].number;
  return scorer.ToModelSpace(model->values, model->scratch);
}

const double* PointOfArray(FunctionCallInfo fcinfo, CachedModel* model, int argument) {
  const Scorer scorer = model->scorer();
  const FeatureArray features = ReadFeatures(PG_GETARG_ARRAYTYPE_P(argument));
  if (unlikely(scorer.has_categorical())) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("model has categorical inputs, which an array cannot hold"),
                    errhint("Pass a whole row or jsonb: they are read by the names of the model's inputs.")));
  }
  if (unlikely(static_cast<std::size_t>(features.length) != scorer.inputs())) {
    RaiseDimensionMismatch(features.length, static_cast<int>(scorer.inputs()), "the model has");
  }
  model->mixed = nullptr;
  model->numbers = features.values;
  if (unlikely(features.nulls != nullptr)) {
    CopyFeatures(features, model->values);
    model->numbers = model->values;
  }
  return scorer.ToModelSpace(model->numbers, model->scratch);
}

RawValue ColumnValue(const InputBinding& input, HeapTuple tuple, TupleDesc descriptor, bool categorical) {
  bool is_null;
  const Datum datum = heap_getattr(tuple, input.attribute, descriptor, &is_null);
  if (is_null) return {};
  if (categorical) return CategoricalValue(OutputFunctionCall(const_cast<FmgrInfo*>(&input.output), datum));
  return {false, ToDouble(datum, input.base_type), {}};
}

const double* PointOfRow(FunctionCallInfo fcinfo, CachedModel* model, int argument) {
  HeapTupleHeader header = PG_GETARG_HEAPTUPLEHEADER(argument);
  const Oid type = HeapTupleHeaderGetTypeId(header);
  const int32 typmod = HeapTupleHeaderGetTypMod(header);
  const RowBinding* binding = BindRow(model, type, typmod);
  TupleDesc descriptor = lookup_rowtype_tupdesc(type, typmod);
  HeapTupleData tuple;
  tuple.t_len = HeapTupleHeaderGetDatumLength(header);
  ItemPointerSetInvalid(&tuple.t_self);
  tuple.t_tableOid = InvalidOid;
  tuple.t_data = header;
  const Scorer scorer = model->scorer();
  auto* values = static_cast<RawValue*>(palloc(scorer.inputs() * sizeof(RawValue)));
  for (std::size_t i = 0; i < scorer.inputs(); ++i) {
    values[i] = ColumnValue(binding->inputs[i], &tuple, descriptor, scorer.is_categorical(i));
  }
  ReleaseTupleDesc(descriptor);
  return PointOfValues(model, values);
}

[[noreturn]] void RaiseJsonType(const InputBinding& input, const char* what) {
  ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("member \"%s\" is not a number", input.name),
                  errdetail("It is %s.", what)));
  pg_unreachable();
}

// NaN and the infinities are strings in JSON; a row with one has no score, as any other.
RawValue NumberOfString(const InputBinding& input, const JsonbValue& value) {
  const std::string_view text(value.val.string.val, static_cast<std::size_t>(value.val.string.len));
  if (text == "NaN" || text == "Infinity" || text == "-Infinity") return {};
  RaiseJsonType(input, "a string");
}

RawValue MemberValue(const InputBinding& input, const JsonbValue* value, bool categorical) {
  if (value == nullptr) return {};
  switch (value->type) {
    case jbvNull: return {};
    case jbvNumeric:
      if (categorical) return CategoricalValue(DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric))));
      return {false, ToDouble(NumericGetDatum(value->val.numeric), NUMERICOID), {}};
    case jbvBool:
      // As the text output of a boolean column, "t" or "f", so that a row and its to_jsonb score alike.
      if (categorical) return CategoricalValue(value->val.boolean ? "t" : "f");
      return {false, value->val.boolean ? 1.0 : 0.0, {}};
    case jbvString:
      if (categorical) return CategoricalValue(pnstrdup(value->val.string.val, static_cast<Size>(value->val.string.len)));
      return NumberOfString(input, *value);
    default: RaiseJsonType(input, "an array or an object");
  }
}

const double* PointOfJsonb(FunctionCallInfo fcinfo, CachedModel* model, int argument) {
  Jsonb* json = PG_GETARG_JSONB_P(argument);
  if (!JB_ROOT_IS_OBJECT(json)) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("features must be a JSON object"),
                    errhint("Its members are read by the names of the model's inputs, as in {\"age\": 41, \"income\": 69.2}.")));
  }
  if (model->binding == nullptr) model->binding = NewBinding(model);
  const Scorer scorer = model->scorer();
  auto* values = static_cast<RawValue*>(palloc(scorer.inputs() * sizeof(RawValue)));
  for (std::size_t i = 0; i < scorer.inputs(); ++i) {
    const InputBinding& input = model->binding->inputs[i];
    JsonbValue found;
    const JsonbValue* value = getKeyJsonValueFromContainer(&json->root, input.name, input.name_bytes, &found);
    values[i] = MemberValue(input, value, scorer.is_categorical(i));
  }
  return PointOfValues(model, values);
}

}  // namespace

const double* ReadPoint(FunctionCallInfo fcinfo, CachedModel* model, ArgumentKind kind, int argument) {
  switch (kind) {
    case ArgumentKind::kArray: return PointOfArray(fcinfo, model, argument);
    case ArgumentKind::kRow: return PointOfRow(fcinfo, model, argument);
    case ArgumentKind::kJsonb: return PointOfJsonb(fcinfo, model, argument);
  }
  pg_unreachable();
}

}  // namespace segmentation

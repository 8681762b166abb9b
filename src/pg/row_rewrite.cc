// Planning kmeans_assign(model, c) of a literal model and a whole row c as kmeans_assign(model, ARRAY[c.age, c.income]): no row
// is built, nothing that the model does not read is fetched or detoasted, and no name is looked up while the query runs.
//
// The answer, NULLs and errors included, must be what the row form gives. Whatever is not surely so stays as it is; a call with
// an error in it (a missing column, say) too, so that the error comes when a row does.
#include <string>

#include "pg/model_type.h"
#include "pg/pg_compat.h"
#include "pg/row_arg.h"

namespace segmentation {
namespace {

// What must be known of a model.
struct ModelInputs {
  char** names;  // in UTF-8
  int count;
  bool numeric;      // all of them
  bool all_imputed;  // so that a row of NULLs has a score
  bool ascii;
};

ModelInputs InputsOf(const Const* literal) {
  auto* value = reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM_PACKED(literal->constvalue));
  ModelInputs inputs{nullptr, 0, true, true, true};
  CallCore([&] {
    const Model model = ReadModelValue(value);
    inputs.names = static_cast<char**>(Allocate(model.inputs.size() * sizeof(char*)));
    for (const Input& input : model.inputs) {
      inputs.names[inputs.count++] = AllocateString(input.name);
      inputs.numeric = inputs.numeric && !input.categorical;
      inputs.all_imputed = inputs.all_imputed && input.impute.has_value();
      for (const char c : input.name) inputs.ascii = inputs.ascii && static_cast<unsigned char>(c) < 128;
    }
  });
  return inputs;
}

// A whole row of a relation, or (as the planner leaves behind where it has merged a view or a subquery) a row put together
// from columns.
struct RowSource {
  const Var* whole;
  const RowExpr* parts;
  TupleDesc descriptor;  // null for parts of an anonymous row, which name themselves

  int count() const { return whole != nullptr ? descriptor->natts : list_length(parts->args); }

  // Null for a dropped column.
  const char* Name(int i) const {
    if (descriptor == nullptr) return strVal(list_nth(parts->colnames, i));
    Form_pg_attribute attribute = TupleDescAttr(descriptor, i);
    return attribute->attisdropped ? nullptr : NameStr(attribute->attname);
  }

  Node* Column(int i) const {
    if (parts != nullptr) return static_cast<Node*>(copyObjectImpl(list_nth(parts->args, i)));
    Form_pg_attribute attribute = TupleDescAttr(descriptor, i);
    // A column that exists only where the rewriter has put its expression in its place.
    if (attribute->attgenerated != '\0' && attribute->attgenerated != ATTRIBUTE_GENERATED_STORED) return nullptr;
    // A copy keeps what versions differ in: which outer joins make it NULL.
    auto* column = static_cast<Var*>(copyObjectImpl(whole));
    column->varattno = static_cast<AttrNumber>(i + 1);
    column->vartype = attribute->atttypid;
    column->vartypmod = attribute->atttypmod;
    column->varcollid = attribute->attcollation;
    if (column->varnosyn != 0) column->varattnosyn = column->varattno;
    return reinterpret_cast<Node*>(column);
  }
};

bool HasOuterJoin(const Query* query) {
  ListCell* cell;
  foreach (cell, query->rtable) {
    const auto* entry = static_cast<const RangeTblEntry*>(lfirst(cell));
    if (entry->rtekind == RTE_JOIN && entry->jointype != JOIN_INNER) return true;
  }
  return false;
}

// A row that an outer join has made NULL has no score in the row form; its columns, all NULL, have one if all are imputed.
bool SourceOfVar(const Var* whole, const Query* query, bool all_imputed, RowSource* source) {
  if (whole->varattno != 0 || whole->varlevelsup != 0 || !ReadsCurrentRow(whole)) return false;
  if (whole->varno < 1 || static_cast<int>(whole->varno) > list_length(query->rtable)) return false;
  const RangeTblEntry* entry = rt_fetch(whole->varno, query->rtable);
  if (entry->rtekind != RTE_RELATION || get_rel_type_id(entry->relid) != whole->vartype) return false;
  switch (entry->relkind) {
    case RELKIND_RELATION: case RELKIND_PARTITIONED_TABLE: case RELKIND_MATVIEW: case RELKIND_FOREIGN_TABLE: break;
    default: return false;
  }
  if (all_imputed && HasOuterJoin(query)) return false;
  *source = {whole, nullptr, lookup_rowtype_tupdesc_copy(whole->vartype, -1)};
  return true;
}

// Of the types that relations define alone: a plan notices when one of their columns is renamed.
bool SourceOfParts(const RowExpr* parts, RowSource* source) {
  if (contain_volatile_functions(reinterpret_cast<Node*>(const_cast<RowExpr*>(parts)))) return false;
  *source = {nullptr, parts, nullptr};
  if (parts->row_typeid == RECORDOID) return list_length(parts->colnames) == list_length(parts->args);
  const Oid relation = get_typ_typrelid(parts->row_typeid);
  if (!OidIsValid(relation) || get_rel_relkind(relation) == RELKIND_COMPOSITE_TYPE) return false;
  source->descriptor = lookup_rowtype_tupdesc_copy(parts->row_typeid, -1);
  return list_length(parts->args) <= source->descriptor->natts;
}

// The support functions of an extension lie in its schema, as what they support does.
Oid FunctionBeside(Oid function, const char* name, const oidvector* arguments) {
  return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, PointerGetDatum(name), PointerGetDatum(arguments),
                         ObjectIdGetDatum(get_func_namespace(function)));
}

// The function of that name that takes an array where this one takes a row.
Oid ArrayForm(Oid row_form) {
  HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(row_form));
  if (!HeapTupleIsValid(tuple)) return InvalidOid;
  const auto* proc = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
  oidvector* arguments = buildoidvector(proc->proargtypes.values, proc->pronargs);
  arguments->values[1] = FLOAT8ARRAYOID;
  const Oid array_form = FunctionBeside(row_form, NameStr(proc->proname), arguments);
  ReleaseSysCache(tuple);
  return array_form;
}

Node* Convert(Oid function, Node* argument, Oid result, CoercionForm form) {
  return reinterpret_cast<Node*>(makeFuncExpr(function, result, lappend(NIL, argument), InvalidOid, InvalidOid, form));
}

// The number that the row form reads in a column; null where there is no such conversion.
Node* NumberOf(Node* column, Oid row_form) {
  const Oid type = exprType(column);
  const Oid base = getBaseType(type);
  if (base != type) {
    column = reinterpret_cast<Node*>(makeRelabelType(reinterpret_cast<Expr*>(column), base, -1, InvalidOid, COERCE_IMPLICIT_CAST));
  }
  switch (base) {
    case FLOAT8OID: return column;
    case FLOAT4OID: return Convert(F_FLOAT8_FLOAT4, column, FLOAT8OID, COERCE_IMPLICIT_CAST);
    case INT2OID: return Convert(F_FLOAT8_INT2, column, FLOAT8OID, COERCE_IMPLICIT_CAST);
    case INT4OID: return Convert(F_FLOAT8_INT4, column, FLOAT8OID, COERCE_IMPLICIT_CAST);
    case INT8OID: return Convert(F_FLOAT8_INT8, column, FLOAT8OID, COERCE_IMPLICIT_CAST);
    case BOOLOID: {
      Node* number = Convert(F_INT4_BOOL, column, INT4OID, COERCE_EXPLICIT_CAST);
      return Convert(F_FLOAT8_INT4, number, FLOAT8OID, COERCE_IMPLICIT_CAST);
    }
    case NUMERICOID: {
      // The server's own cast raises an error beyond the range of double precision.
      const Oid argument = NUMERICOID;
      const Oid function = FunctionBeside(row_form, "kmeans_number", buildoidvector(&argument, 1));
      return OidIsValid(function) ? Convert(function, column, FLOAT8OID, COERCE_EXPLICIT_CALL) : nullptr;
    }
    default: return nullptr;
  }
}

// The one column of that name, as a number; null where the row form would raise an error.
Node* InputOf(const RowSource& source, const char* utf8, Oid row_form) {
  const char* name = FromUtf8(std::string_view(utf8)).data();
  int found = -1;
  for (int i = 0; i < source.count(); ++i) {
    const char* candidate = source.Name(i);
    if (candidate == nullptr || strcmp(candidate, name) != 0) continue;
    if (found >= 0) return nullptr;
    found = i;
  }
  if (found < 0) return nullptr;
  Node* column = source.Column(found);
  return column == nullptr ? nullptr : NumberOf(column, row_form);
}

Node* ArrayOfInputs(const RowSource& source, const ModelInputs& inputs, Oid row_form) {
  auto* array = makeNode(ArrayExpr);
  array->array_typeid = FLOAT8ARRAYOID;
  array->element_typeid = FLOAT8OID;
  array->location = -1;
  for (int i = 0; i < inputs.count; ++i) {
    Node* element = InputOf(source, inputs.names[i], row_form);
    if (element == nullptr) return nullptr;
    array->elements = lappend(array->elements, element);
  }
  return reinterpret_cast<Node*>(array);
}

// The call with an array, or null where it stays as it is.
Node* Rewrite(PlannerInfo* root, const FuncExpr* call) {
  // Grouping sets make whole rows NULL, and not the columns in them.
  if (root == nullptr || root->parse == nullptr || root->parse->groupingSets != NIL || list_length(call->args) < 2) return nullptr;
  Node* model = static_cast<Node*>(linitial(call->args));
  Node* row = static_cast<Node*>(lsecond(call->args));
  if (!IsA(model, Const) || reinterpret_cast<Const*>(model)->constisnull || (!IsA(row, Var) && !IsA(row, RowExpr))) return nullptr;
  const ModelInputs inputs = InputsOf(reinterpret_cast<Const*>(model));
  // Other names might have no form in another encoding, which is an error of the row form.
  if (!inputs.numeric || (!inputs.ascii && GetDatabaseEncoding() != PG_UTF8)) return nullptr;
  RowSource source;
  const bool readable = IsA(row, Var) ? SourceOfVar(reinterpret_cast<Var*>(row), root->parse, inputs.all_imputed, &source)
                                      : SourceOfParts(reinterpret_cast<RowExpr*>(row), &source);
  const Oid array_form = ArrayForm(call->funcid);
  if (!readable || !OidIsValid(array_form)) return nullptr;
  Node* array = ArrayOfInputs(source, inputs, call->funcid);
  if (array == nullptr) return nullptr;
  auto* rewritten = static_cast<FuncExpr*>(copyObjectImpl(call));
  rewritten->funcid = array_form;
  lsecond(rewritten->args) = array;
  return reinterpret_cast<Node*>(rewritten);
}

}  // namespace

SEGMENTATION_FUNCTION(kmeans_row_support) {
  Node* request = reinterpret_cast<Node*>(PG_GETARG_POINTER(0));
  if (!IsA(request, SupportRequestSimplify)) PG_RETURN_POINTER(nullptr);
  const auto* simplify = reinterpret_cast<SupportRequestSimplify*>(request);
  PG_RETURN_POINTER(Rewrite(simplify->root, simplify->fcall));
}

// A numeric as the row form reads it: infinite beyond the range of double precision.
SEGMENTATION_FUNCTION(kmeans_number) {
  PG_RETURN_DATUM(DirectFunctionCall1(numeric_float8_no_overflow, PG_GETARG_DATUM(0)));
}

}  // namespace segmentation

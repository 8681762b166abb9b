#include "pg/registry_lookup.h"

#include <cstring>

#include "core/hash.h"

namespace segmentation {
namespace {

constexpr const char* kSchema = "segmentation";

Oid FindRelation(const char* name) {
  const Oid found = get_relname_relid(name, get_namespace_oid(kSchema, false));
  if (!OidIsValid(found)) elog(ERROR, "relation %s.%s of the extension is missing", kSchema, name);
  return found;
}

// The rows of a table of the registry whose column `model_column` is the model, through an index.
class RegistryScan {
 public:
  RegistryScan(const char* table, const char* index, const char* model_column, const char* model) {
    relation_ = table_open(FindRelation(table), AccessShareLock);
    ScanKeyInit(&key_, Column(model_column), BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(model));
    scan_ = systable_beginscan(relation_, FindRelation(index), true, GetActiveSnapshot(), 1, &key_);
  }
  HeapTuple Next() { return systable_getnext(scan_); }
  // The row's value; false for NULL.
  bool Value(HeapTuple tuple, const char* column, Datum* value) const {
    bool is_null;
    *value = heap_getattr(tuple, Column(column), RelationGetDescr(relation_), &is_null);
    return !is_null;
  }
  void End() {
    systable_endscan(scan_);
    table_close(relation_, AccessShareLock);
  }

 private:
  AttrNumber Column(const char* name) const {
    const AttrNumber number = get_attnum(RelationGetRelid(relation_), name);
    if (number == InvalidAttrNumber) elog(ERROR, "column \"%s\" of the registry is missing", name);
    return number;
  }
  Relation relation_;
  ScanKeyData key_;
  SysScanDesc scan_;
};

// A role that is gone has no members, but superusers have the rights of any.
bool HasRole(Datum name) {
  if (superuser()) return true;
  const Oid role = get_role_oid(NameStr(*DatumGetName(name)), true);
  return OidIsValid(role) && has_privs_of_role(GetUserId(), role);
}

bool OwnsModel(const char* model) {
  RegistryScan scan("registry_model", "registry_model_pkey", "name", model);
  Datum owner;
  const HeapTuple tuple = scan.Next();
  const bool owns = HeapTupleIsValid(tuple) && scan.Value(tuple, "owner", &owner) && HasRole(owner);
  scan.End();
  return owns;
}

// Any privilege lets use the model.
bool IsGranted(const char* model) {
  RegistryScan scan("registry_grant", "registry_grant_pkey", "model", model);
  bool granted = false;
  for (HeapTuple tuple; !granted && HeapTupleIsValid(tuple = scan.Next());) {
    Datum grantee;
    granted = scan.Value(tuple, "grantee", &grantee) && (strcmp(NameStr(*DatumGetName(grantee)), "public") == 0 || HasRole(grantee));
  }
  scan.End();
  return granted;
}

[[noreturn]] void RaiseNoModel(const char* name) {
  if (name[0] == '{') {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("model \"%s\" does not exist", pnstrdup(name, pg_mbcliplen(name, strlen(name), 60))),
                    errdetail("A string literal is taken for the name of a model."),
                    errhint("For a model written out, say what it is: '{...}'::kmeans_model.")));
  }
  ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("model \"%s\" does not exist", name),
                  errhint("The view segmentation.models lists the models that you may use.")));
  pg_unreachable();
}

}  // namespace

bool TakesName(FunctionCallInfo fcinfo, int argument) {
  Oid* types;
  int count;
  get_func_signature(fcinfo->flinfo->fn_oid, &types, &count);
  return argument < count && types[argument] == TEXTOID;
}

SnapshotMark CurrentMark() {
  const Snapshot snapshot = GetActiveSnapshot();
  SnapshotMark mark{};
  mark.completed = snapshot->snapXactCompletionCount;
  mark.xmin = snapshot->xmin;
  mark.xmax = snapshot->xmax;
  mark.command = snapshot->curcid;
  mark.subtransaction = GetCurrentSubTransactionId();
  mark.user = GetUserId();
  if (mark.completed == 0) {  // a copy, as parallel workers have
    mark.running = HashBytes(reinterpret_cast<const char*>(snapshot->xip), snapshot->xcnt * sizeof(TransactionId), 1) +
                   HashBytes(reinterpret_cast<const char*>(snapshot->subxip), snapshot->subxcnt < 0 ? 0 : snapshot->subxcnt * sizeof(TransactionId), 2);
  }
  return mark;
}

struct varlena* LookUpModel(const char* name) {
  if (!OwnsModel(name) && !IsGranted(name)) RaiseNoModel(name);
  RegistryScan scan("registry_version", "registry_active_version", "model", name);
  struct varlena* found = nullptr;
  for (HeapTuple tuple; found == nullptr && HeapTupleIsValid(tuple = scan.Next());) {
    Datum active;
    Datum value;
    if (!scan.Value(tuple, "active", &active) || !DatumGetBool(active) || !scan.Value(tuple, "value", &value)) continue;
    const auto* stored = reinterpret_cast<const struct varlena*>(DatumGetPointer(value));
    found = static_cast<struct varlena*>(palloc(VARSIZE_ANY(stored)));
    memcpy(found, stored, VARSIZE_ANY(stored));
  }
  scan.End();
  if (found == nullptr) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("model \"%s\" has no active version", name),
                    errhint("segmentation.activate makes a version the active one.")));
  }
  return found;
}

}  // namespace segmentation

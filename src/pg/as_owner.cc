// segmentation.<name>(arguments) as the extension's owner: how users reach the registry, on whose tables nobody has rights.
//
// All of these SQL functions are this one C function. It calls segmentation.<name>_as_owner(caller, arguments), which is SECURITY DEFINER
// with a pinned search_path, so that the server does the change of user and undoes it, errors included; nobody may EXECUTE those
// directly, because they believe who `caller` is. A SECURITY DEFINER function alone could not know: inside it current_user is the owner,
// and session_user is not who SET ROLE says.
#include "pg/boundary.h"

namespace segmentation {
namespace {

// The function behind this one: same schema, same arguments after the caller's name, same owner.
Oid FunctionBehind(Oid function) {
  HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for function %u", function);
  const auto* proc = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
  Oid types[FUNC_MAX_ARGS] = {NAMEOID};
  if (proc->pronargs >= FUNC_MAX_ARGS) elog(ERROR, "function %u has too many arguments", function);
  for (int i = 0; i < proc->pronargs; ++i) types[i + 1] = proc->proargtypes.values[i];
  const char* name = psprintf("%s_as_owner", NameStr(proc->proname));
  const Oid behind = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
                                     PointerGetDatum(buildoidvector(types, proc->pronargs + 1)), ObjectIdGetDatum(proc->pronamespace));
  const Oid owner = proc->proowner;
  const Oid result = proc->prorettype;
  ReleaseSysCache(tuple);
  tuple = OidIsValid(behind) ? SearchSysCache1(PROCOID, ObjectIdGetDatum(behind)) : nullptr;
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "function %s is missing", name);
  const auto* found = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
  // Whoever could put another one in its place could not give it this owner.
  if (!found->prosecdef || found->proretset || found->proowner != owner || found->prorettype != result) {
    elog(ERROR, "function %s is not what the extension has made", name);
  }
  ReleaseSysCache(tuple);
  return behind;
}

}  // namespace

SEGMENTATION_FUNCTION(as_owner) {
  const Oid behind = FunctionBehind(fcinfo->flinfo->fn_oid);
  FmgrInfo info;
  fmgr_info(behind, &info);
  LOCAL_FCINFO(call, FUNC_MAX_ARGS);
  InitFunctionCallInfoData(*call, &info, PG_NARGS() + 1, InvalidOid, nullptr, nullptr);
  NameData caller{};
  namestrcpy(&caller, GetUserNameFromId(GetUserId(), false));
  call->args[0].value = NameGetDatum(&caller);
  call->args[0].isnull = false;
  for (int i = 0; i < PG_NARGS(); ++i) call->args[i + 1] = fcinfo->args[i];
  const Datum result = FunctionCallInvoke(call);
  fcinfo->isnull = call->isnull;
  return result;
}

// (role, command): runs the command with the rights of a role. Not for users (src/sql/99_rights.sql). An error ends the (sub)transaction,
// which gives the user back.
SEGMENTATION_FUNCTION(execute_as) {
  const Oid role = get_role_oid(NameStr(*PG_GETARG_NAME(0)), false);
  const char* command = text_to_cstring(PG_GETARG_TEXT_PP(1));
  Oid user;
  int context;
  GetUserIdAndSecContext(&user, &context);
  SetUserIdAndSecContext(role, context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
  if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
  if (SPI_execute(command, false, 0) < 0) elog(ERROR, "command failed: %s", command);
  SPI_finish();
  SetUserIdAndSecContext(user, context);
  PG_RETURN_VOID();
}

}  // namespace segmentation

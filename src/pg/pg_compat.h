// Differences between PostgreSQL 14 and 18, so that no other file asks for a version.
#pragma once

#include "pg/pg_includes.h"

#if PG_VERSION_NUM < 150000
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

namespace segmentation {

// Whether a variable reads a row as it is, and not OLD or NEW in RETURNING (from 18 on), which may be NULL as a whole.
inline bool ReadsCurrentRow([[maybe_unused]] const Var* variable) {
#if PG_VERSION_NUM >= 180000
  return variable->varreturningtype == VAR_RETURNING_DEFAULT;
#else
  return true;
#endif
}

using PlanStateWalker = bool (*)(PlanState*, void*);

// Calls the walker for the children of a plan's node, until one answers true.
inline bool WalkPlanStates(PlanState* node, PlanStateWalker walker, void* context) {
#if PG_VERSION_NUM >= 160000
  return planstate_tree_walker(node, walker, context);
#else
  return planstate_tree_walker(node, reinterpret_cast<bool (*)()>(reinterpret_cast<void*>(walker)), context);
#endif
}

// Base64 of bytes; the result's length, or -1. The server's functions take unsigned bytes from 18 on.
inline int EncodeBase64(const char* from, int length, char* to, int room) {
#if PG_VERSION_NUM >= 180000
  return pg_b64_encode(reinterpret_cast<const uint8*>(from), length, to, room);
#else
  return pg_b64_encode(from, length, to, room);
#endif
}

inline int DecodeBase64(const char* from, int length, char* to, int room) {
#if PG_VERSION_NUM >= 180000
  return pg_b64_decode(from, length, reinterpret_cast<uint8*>(to), room);
#else
  return pg_b64_decode(from, length, to, room);
#endif
}

}  // namespace segmentation

// Models by name: the active version in the registry, as the statement's snapshot has it.
//
// The registry is read through its indexes, not by SQL, so that it works in parallel workers and on standbys, and costs little enough
// to be done whenever a new snapshot comes.
#pragma once

#include "pg/boundary.h"

namespace segmentation {

// Whether the function that is called takes a model's name in that argument.
bool TakesName(FunctionCallInfo fcinfo, int argument);

// What tells one state of the registry from another: equal marks, equal answers.
struct SnapshotMark {
  std::uint64_t completed;  // transactions that had ended; 0 where the server has not kept it, and then `running` tells
  std::uint64_t running;    // a hash of those that had not
  TransactionId xmin, xmax;
  CommandId command;
  SubTransactionId subtransaction;  // what one has written oneself may be undone without any other mark
  Oid user;
};

// Of the active snapshot and the current user.
SnapshotMark CurrentMark();
inline bool SameMark(const SnapshotMark& a, const SnapshotMark& b) {
  return a.completed == b.completed && a.running == b.running && a.xmin == b.xmin && a.xmax == b.xmax && a.command == b.command &&
         a.subtransaction == b.subtransaction && a.user == b.user;
}

// The active version's value (perhaps toasted), copied into the current context. Raises 42704 where there is none that the current user
// may use.
struct varlena* LookUpModel(const char* name);

}  // namespace segmentation

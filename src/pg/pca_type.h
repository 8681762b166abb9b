// pca_model as the server stores it (json_value.h).
#pragma once

#include "core/pca_model.h"
#include "pg/json_value.h"

namespace segmentation {

// From inside C++: makes the stored value (memory through CallPostgres), and reads one.
struct varlena* MakePcaValue(const PcaModel& model);
PcaModel ReadPcaValue(const struct varlena* value);

}  // namespace segmentation

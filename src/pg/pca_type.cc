#include "pg/pca_type.h"

namespace segmentation {
namespace {

std::string Canonical(std::string_view utf8, ErrorCode code) { return EncodePcaModel(DecodePcaModel(utf8, code, ServerInterrupt())); }

constexpr JsonType kType = {"pca_model", Canonical, "The aggregate pca makes such models."};

}  // namespace

struct varlena* MakePcaValue(const PcaModel& model) { return MakeJsonValue(kType, EncodePcaModel(model)); }

PcaModel ReadPcaValue(const struct varlena* value) { return DecodePcaModel(ModelText(value), ErrorCode::kInternal, ServerInterrupt()); }

SEGMENTATION_FUNCTION(pca_model_in) { return JsonTypeIn(fcinfo, kType); }
SEGMENTATION_FUNCTION(pca_model_out) { return JsonTypeOut(fcinfo); }
SEGMENTATION_FUNCTION(pca_model_recv) { return JsonTypeReceive(fcinfo, kType); }
SEGMENTATION_FUNCTION(pca_model_send) { return JsonTypeSend(fcinfo); }
SEGMENTATION_FUNCTION(pca_model_to_jsonb) { return JsonTypeToJsonb(fcinfo); }
SEGMENTATION_FUNCTION(pca_model_from_jsonb) { return JsonTypeFromJsonb(fcinfo, kType); }

}  // namespace segmentation

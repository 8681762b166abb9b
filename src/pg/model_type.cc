#include "pg/model_type.h"

namespace segmentation {
namespace {

std::string Canonical(std::string_view utf8, ErrorCode code) { return EncodeModel(DecodeModel(utf8, code, ServerInterrupt())); }

constexpr JsonType kType = {"kmeans_model", Canonical, "A registered model is (SELECT segmentation.model('name'))."};

}  // namespace

struct varlena* MakeModelValue(const Model& model) { return MakeJsonValue(kType, EncodeModel(model)); }

Model ReadModelValue(const struct varlena* value) { return DecodeModel(ModelText(value), ErrorCode::kInternal, ServerInterrupt()); }

SEGMENTATION_FUNCTION(kmeans_model_in) { return JsonTypeIn(fcinfo, kType); }
SEGMENTATION_FUNCTION(kmeans_model_out) { return JsonTypeOut(fcinfo); }
SEGMENTATION_FUNCTION(kmeans_model_recv) { return JsonTypeReceive(fcinfo, kType); }
SEGMENTATION_FUNCTION(kmeans_model_send) { return JsonTypeSend(fcinfo); }
SEGMENTATION_FUNCTION(kmeans_model_to_jsonb) { return JsonTypeToJsonb(fcinfo); }
SEGMENTATION_FUNCTION(kmeans_model_from_jsonb) { return JsonTypeFromJsonb(fcinfo, kType); }

}  // namespace segmentation

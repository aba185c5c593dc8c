// The part of Vulkan's C interface that this package uses, declared here so that a build needs no Vulkan headers.
// Names are Vulkan's own without the prefix; handles that are pointers are `handle`, the others `object`.
#ifndef VKLSTM_ABI_H
#define VKLSTM_ABI_H
#include <stddef.h>
#include <stdint.h>

typedef void *handle;
typedef uint64_t object;

enum {
	ST_APPLICATION_INFO = 0, ST_INSTANCE_CREATE_INFO = 1, ST_DEVICE_QUEUE_CREATE_INFO = 2, ST_DEVICE_CREATE_INFO = 3,
	ST_SUBMIT_INFO = 4, ST_MEMORY_ALLOCATE_INFO = 5, ST_FENCE_CREATE_INFO = 8, ST_QUERY_POOL_CREATE_INFO = 11,
	ST_BUFFER_CREATE_INFO = 12, ST_SHADER_MODULE_CREATE_INFO = 16, ST_PIPELINE_CACHE_CREATE_INFO = 17,
	ST_SHADER_STAGE_CREATE_INFO = 18, ST_COMPUTE_PIPELINE_CREATE_INFO = 29, ST_PIPELINE_LAYOUT_CREATE_INFO = 30,
	ST_SET_LAYOUT_CREATE_INFO = 32, ST_DESCRIPTOR_POOL_CREATE_INFO = 33, ST_SET_ALLOCATE_INFO = 34, ST_WRITE_SET = 35,
	ST_COMMAND_POOL_CREATE_INFO = 39, ST_COMMAND_BUFFER_ALLOCATE_INFO = 40, ST_COMMAND_BUFFER_BEGIN_INFO = 42,
	ST_MEMORY_BARRIER = 46, ST_PROPERTIES_2 = 1000059001, ST_SUBGROUP_PROPERTIES = 1000094000,
	ST_HALF_FEATURES = 1000082000, ST_MEMORY_MODEL_FEATURES = 1000211000, ST_MATRIX_FEATURES = 1000506000,
	ST_MATRIX_PROPERTIES = 1000506001, ST_MATRIX_STAGES = 1000506002,
	ST_OBJECT_NAME_INFO = 1000128000, ST_MESSENGER_CREATE_INFO = 1000128004, ST_MAINTENANCE_3_PROPERTIES = 1000168000,
	ST_SM_BUILTINS_PROPERTIES = 1000154001, ST_CORE_PROPERTIES = 1000185000, ST_CORE_BUILTINS_PROPERTIES = 1000497001,
	ST_SUBGROUP_SIZE_PROPERTIES = 1000225000, ST_SUBGROUP_SIZE_FEATURES = 1000225002, ST_FEATURES_2 = 1000059000,
	ST_DRIVER_PROPERTIES = 1000196000, ST_VALIDATION_FEATURES = 1000247000, ST_LAYER_SETTINGS_CREATE_INFO = 1000496000,
};

typedef struct { uint32_t sType; const void *pNext; const char *app; uint32_t appVersion; const char *engine; uint32_t engineVersion, apiVersion; } ApplicationInfo;
typedef struct { uint32_t sType; const void *pNext; uint32_t flags; const ApplicationInfo *app; uint32_t layers; const char *const *layer; uint32_t extensions; const char *const *extension; } InstanceCreateInfo;
typedef struct { uint32_t sType; const void *pNext; uint32_t enabled; const uint32_t *enable; uint32_t disabled; const uint32_t *disable; } ValidationFeatures;
typedef struct { const char *layer, *name; uint32_t type, count; const void *values; } LayerSetting;
typedef struct { uint32_t sType; const void *pNext; uint32_t count; const LayerSetting *settings; } LayerSettingsCreateInfo;
typedef struct { uint32_t sType; const void *pNext; uint32_t flags; const char *idName; int32_t idNumber; const char *message; } CallbackData;  // its head
typedef uint32_t (*MessageCallback)(uint32_t severity, uint32_t types, const CallbackData *data, void *user);
typedef struct { uint32_t sType; const void *pNext; uint32_t flags, severity, types; MessageCallback callback; void *user; } MessengerCreateInfo;
typedef struct { uint32_t sType; const void *pNext; uint32_t type; object object; const char *name; } ObjectNameInfo;
typedef struct { char name[256]; uint32_t version; } ExtensionProperties;
typedef struct { char name[256]; uint32_t version, implementation; char description[256]; } LayerProperties;
typedef struct { uint32_t flags, count, timestampBits, granularity[3]; } QueueFamilyProperties;
typedef struct { uint32_t sType; void *pNext; uint64_t properties[256]; } Properties2;  // larger than VkPhysicalDeviceProperties, which is not read here
typedef struct { uint32_t sType; void *pNext; uint32_t size, stages, operations, quads; } SubgroupProperties;
typedef struct { uint32_t sType; void *pNext; uint32_t maxPerSetDescriptors; uint64_t maxMemoryAllocationSize; } Maintenance3Properties;
typedef struct { uint32_t sType; void *pNext; uint32_t driver; char name[256], info[256]; uint8_t conformance[4]; } DriverProperties;
typedef struct { uint32_t sType; void *pNext; uint32_t smallest, largest, maxWorkgroupSubgroups, stages; } SubgroupSizeProperties;
typedef struct { uint32_t sType; void *pNext; uint32_t sizeControl, fullSubgroups; } SubgroupSizeFeatures;
typedef struct { uint32_t sType; void *pNext; uint32_t multiprocessors, warps; } SMBuiltinsProperties;  // NVIDIA
typedef struct { uint32_t sType; void *pNext; uint32_t engines, arraysPerEngine, unitsPerArray, rest[11]; } CoreProperties;  // AMD
typedef struct { uint32_t sType; void *pNext; uint64_t mask; uint32_t cores, warps; } CoreBuiltinsProperties;  // Arm
typedef struct { uint32_t sType; void *pNext; uint32_t features[64]; } Features2;  // larger than VkPhysicalDeviceFeatures, which is not read here
typedef struct { uint32_t sType; void *pNext; uint32_t float16, int8; } HalfFeatures;
typedef struct { uint32_t sType; void *pNext; uint32_t model, deviceScope, chains; } MemoryModelFeatures;
typedef struct { uint32_t sType; void *pNext; uint32_t matrix, robust; } MatrixFeatures;
typedef struct { uint32_t sType; void *pNext; uint32_t stages; } MatrixStages;
typedef struct { uint32_t sType; void *pNext; uint32_t m, n, k, a, b, c, result, saturating, scope; } MatrixProperties;
typedef struct { uint32_t sType; const void *pNext; uint32_t flags, family, count; const float *priorities; } DeviceQueueCreateInfo;
typedef struct { uint32_t sType; const void *pNext; uint32_t flags, queues; const DeviceQueueCreateInfo *queue; uint32_t layers; const char *const *layer; uint32_t extensions; const char *const *extension; const void *features; } DeviceCreateInfo;

typedef struct { uint32_t sType; const void *pNext; uint32_t waits; const object *wait; const uint32_t *waitStages; uint32_t buffers; const handle *buffer; uint32_t signals; const object *signal; } SubmitInfo;
typedef struct { uint32_t sType; const void *pNext; uint64_t size; uint32_t type; } MemoryAllocateInfo;
typedef struct { uint64_t size, align; uint32_t types; } MemoryRequirements;
typedef struct { uint32_t sType; const void *pNext; uint32_t flags; } FenceCreateInfo;
typedef struct { uint32_t sType; const void *pNext; uint32_t flags, type, count, statistics; } QueryPoolCreateInfo;
typedef struct { uint32_t sType; const void *pNext; uint32_t flags; uint64_t size; uint32_t usage, sharing, families; const uint32_t *family; } BufferCreateInfo;
typedef struct { uint32_t sType; const void *pNext; uint32_t flags; size_t bytes; const uint32_t *code; } ShaderModuleCreateInfo;
typedef struct { uint32_t sType; const void *pNext; uint32_t flags; size_t bytes; const void *data; } PipelineCacheCreateInfo;
typedef struct { uint32_t id, offset; size_t size; } SpecializationMapEntry;
typedef struct { uint32_t entries; const SpecializationMapEntry *entry; size_t bytes; const void *data; } SpecializationInfo;
typedef struct { uint32_t sType; const void *pNext; uint32_t flags, stage; object module; const char *entry; const SpecializationInfo *specialization; } ShaderStageCreateInfo;
typedef struct { uint32_t sType; const void *pNext; uint32_t flags; ShaderStageCreateInfo stage; object layout, base; int32_t baseIndex; } ComputePipelineCreateInfo;
typedef struct { uint32_t stages, offset, size; } PushConstantRange;
typedef struct { uint32_t sType; const void *pNext; uint32_t flags, sets; const object *set; uint32_t ranges; const PushConstantRange *range; } PipelineLayoutCreateInfo;
typedef struct { uint32_t binding, type, count, stages; const object *samplers; } SetLayoutBinding;
typedef struct { uint32_t sType; const void *pNext; uint32_t flags, bindings; const SetLayoutBinding *binding; } SetLayoutCreateInfo;
typedef struct { uint32_t type, count; } DescriptorPoolSize;
typedef struct { uint32_t sType; const void *pNext; uint32_t flags, maxSets, sizes; const DescriptorPoolSize *size; } DescriptorPoolCreateInfo;
typedef struct { uint32_t sType; const void *pNext; object pool; uint32_t count; const object *layouts; } SetAllocateInfo;
typedef struct { object buffer; uint64_t offset, range; } DescriptorBufferInfo;
typedef struct { uint32_t sType; const void *pNext; object set; uint32_t binding, element, count, type; const void *image; const DescriptorBufferInfo *buffer; const void *texel; } WriteSet;
typedef struct { uint32_t sType; const void *pNext; uint32_t flags, family; } CommandPoolCreateInfo;
typedef struct { uint32_t sType; const void *pNext; object pool; uint32_t level, count; } CommandBufferAllocateInfo;
typedef struct { uint32_t sType; const void *pNext; uint32_t flags; const void *inheritance; } CommandBufferBeginInfo;
typedef struct { uint32_t sType; const void *pNext; uint32_t source, destination; } MemoryBarrier;
typedef struct { uint64_t source, destination, size; } BufferCopy;

typedef void *(*GetProcAddr)(handle, const char *);

// Every device function that is called, as X(name, result, arguments).
#define DEVICE_FUNCTIONS(X) \
	X(GetDeviceQueue, void, (handle, uint32_t, uint32_t, handle *)) \
	X(DeviceWaitIdle, int32_t, (handle)) \
	X(QueueSubmit, int32_t, (handle, uint32_t, const SubmitInfo *, object)) \
	X(CreateFence, int32_t, (handle, const FenceCreateInfo *, const void *, object *)) \
	X(DestroyFence, void, (handle, object, const void *)) \
	X(ResetFences, int32_t, (handle, uint32_t, const object *)) \
	X(WaitForFences, int32_t, (handle, uint32_t, const object *, uint32_t, uint64_t)) \
	X(AllocateMemory, int32_t, (handle, const MemoryAllocateInfo *, const void *, object *)) \
	X(FreeMemory, void, (handle, object, const void *)) \
	X(MapMemory, int32_t, (handle, object, uint64_t, uint64_t, uint32_t, void **)) \
	X(CreateBuffer, int32_t, (handle, const BufferCreateInfo *, const void *, object *)) \
	X(DestroyBuffer, void, (handle, object, const void *)) \
	X(GetBufferMemoryRequirements, void, (handle, object, MemoryRequirements *)) \
	X(BindBufferMemory, int32_t, (handle, object, object, uint64_t)) \
	X(CreateShaderModule, int32_t, (handle, const ShaderModuleCreateInfo *, const void *, object *)) \
	X(DestroyShaderModule, void, (handle, object, const void *)) \
	X(CreateDescriptorSetLayout, int32_t, (handle, const SetLayoutCreateInfo *, const void *, object *)) \
	X(DestroyDescriptorSetLayout, void, (handle, object, const void *)) \
	X(CreatePipelineLayout, int32_t, (handle, const PipelineLayoutCreateInfo *, const void *, object *)) \
	X(DestroyPipelineLayout, void, (handle, object, const void *)) \
	X(CreatePipelineCache, int32_t, (handle, const PipelineCacheCreateInfo *, const void *, object *)) \
	X(DestroyPipelineCache, void, (handle, object, const void *)) \
	X(GetPipelineCacheData, int32_t, (handle, object, size_t *, void *)) \
	X(CreateComputePipelines, int32_t, (handle, object, uint32_t, const ComputePipelineCreateInfo *, const void *, object *)) \
	X(DestroyPipeline, void, (handle, object, const void *)) \
	X(CreateDescriptorPool, int32_t, (handle, const DescriptorPoolCreateInfo *, const void *, object *)) \
	X(DestroyDescriptorPool, void, (handle, object, const void *)) \
	X(AllocateDescriptorSets, int32_t, (handle, const SetAllocateInfo *, object *)) \
	X(UpdateDescriptorSets, void, (handle, uint32_t, const WriteSet *, uint32_t, const void *)) \
	X(CreateCommandPool, int32_t, (handle, const CommandPoolCreateInfo *, const void *, object *)) \
	X(DestroyCommandPool, void, (handle, object, const void *)) \
	X(AllocateCommandBuffers, int32_t, (handle, const CommandBufferAllocateInfo *, handle *)) \
	X(BeginCommandBuffer, int32_t, (handle, const CommandBufferBeginInfo *)) \
	X(EndCommandBuffer, int32_t, (handle)) \
	X(CmdBindPipeline, void, (handle, uint32_t, object)) \
	X(CmdBindDescriptorSets, void, (handle, uint32_t, object, uint32_t, uint32_t, const object *, uint32_t, const uint32_t *)) \
	X(CmdPushConstants, void, (handle, object, uint32_t, uint32_t, uint32_t, const void *)) \
	X(CmdDispatch, void, (handle, uint32_t, uint32_t, uint32_t)) \
	X(CmdPipelineBarrier, void, (handle, uint32_t, uint32_t, uint32_t, uint32_t, const MemoryBarrier *, uint32_t, const void *, uint32_t, const void *)) \
	X(CmdCopyBuffer, void, (handle, object, object, uint32_t, const BufferCopy *)) \
	X(CmdFillBuffer, void, (handle, object, uint64_t, uint64_t, uint32_t)) \
	X(CreateQueryPool, int32_t, (handle, const QueryPoolCreateInfo *, const void *, object *)) \
	X(DestroyQueryPool, void, (handle, object, const void *)) \
	X(CmdResetQueryPool, void, (handle, object, uint32_t, uint32_t)) \
	X(CmdWriteTimestamp, void, (handle, uint32_t, object, uint32_t)) \
	X(GetQueryPoolResults, int32_t, (handle, object, uint32_t, uint32_t, size_t, void *, uint64_t, uint32_t))

#endif

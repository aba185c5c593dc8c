// What Go calls. Each function takes plain numbers and memory that the caller owns for the length of the call, keeps
// no pointer to it, and allocates nothing that a Go finaliser could free.
#ifndef VKLSTM_SHIM_H
#define VKLSTM_SHIM_H
#include "abi.h"

// Loader and instance.
void *shim_load(const char *library, char *error, size_t size);  // vkGetInstanceProcAddr, or NULL and why
uint32_t shim_loader_version(void);
int shim_has_layer(const char *layer);
int shim_has_extension(const char *layer, const char *extension);  // layer NULL: of the loader and drivers
void *shim_instance_info(int validation, int assisted, int portability, uint64_t listener);  // malloc'd VkInstanceCreateInfo, or NULL
int32_t shim_listen(handle instance, const void *info, object *messenger);
void shim_unlisten(handle instance, object messenger);

// What the binding's headers do not know of a physical device.
typedef struct {
	uint32_t families, familyFlags[16], familyCount[16], familyTimestamps[16];
	uint32_t subgroupSize, subgroupStages, subgroupOperations, portability;
	uint32_t fullSubgroups, subgroupSmallest, subgroupLargest;  // of VK_EXT_subgroup_size_control; 0 where it is absent
	uint32_t multiprocessors;                                   // 0: the driver does not say
	uint32_t matrix[3];  // M, N, K of a subgroup's cooperative matrices of float16 that are summed in float32; 0: none
	uint64_t maxAllocation;
	char driverName[256], driverInfo[256];
} Details;
int32_t shim_details(handle instance, handle physical, uint32_t api, Details *details);
void *shim_device_info(uint32_t family, const Details *details);  // malloc'd VkDeviceCreateInfo, or NULL

// A device: its handle, its queue, its functions.
typedef struct Device Device;
Device *shim_device(handle instance, handle device, uint32_t family, const char **missing);
void shim_destroy(Device *d, int kind, object o);
void shim_name(Device *d, int kind, object o, const char *name);
int32_t shim_idle(Device *d);
int32_t shim_buffer(Device *d, uint64_t bytes, object *buffer, MemoryRequirements *needs);
int32_t shim_bind(Device *d, object buffer, object memory, uint64_t offset);
int32_t shim_allocate(Device *d, uint64_t bytes, uint32_t type, object *memory);
int32_t shim_map(Device *d, object memory, void **address);
int32_t shim_set_layout(Device *d, uint32_t bindings, object *layout);
int32_t shim_pipeline_layout(Device *d, object set, uint32_t pushBytes, object *layout);
int32_t shim_cache(Device *d, const void *data, size_t bytes, object *cache);
int32_t shim_cache_data(Device *d, object cache, void *data, size_t *bytes);
int32_t shim_pipeline(Device *d, const uint32_t *code, size_t bytes, object layout, object cache, const uint32_t *constants, uint32_t n, int subgroups, object *pipeline);

// What a driver's compiler says of a kernel (compiler.c). Subgroup sizes are 0 where none can be asked for.
typedef struct { uint32_t statistics, leastSubgroup, mostSubgroup; } CanCount;
typedef struct { const uint32_t *code; size_t bytes; object layout; const uint32_t *constants; uint32_t constantCount, subgroup, full; } CountedKernel;  // subgroup 0: the driver's choice; full: no subgroup has idle lanes
typedef struct { char executable[256], name[256], description[256]; uint32_t subgroup; double value; } Figure;
typedef struct { uint32_t count; Figure figure[256]; } Figures;
int32_t shim_can_count(handle instance, handle physical, CanCount *can);
void *shim_counting_info(const void *device, const CanCount *can);  // malloc'd; device is what shim_device_info gave, and must outlive it
int32_t shim_count(handle instance, handle device, const CountedKernel *k, Figures *out);

// A recording's own Vulkan objects. Buffer 0 writes the first timestamp, 1 holds the commands, 2 writes the last one.
typedef struct { object pool, fence, queries; handle buffers[3]; uint32_t stamps; } Commands;
int32_t shim_commands(Device *d, uint32_t family, int timestamps, uint32_t stamps, Commands *c);
void shim_commands_free(Device *d, Commands *c);
int32_t shim_sets(Device *d, uint32_t sets, const uint64_t *layouts, uint32_t descriptors, const uint64_t *writes, object *pool, uint64_t *out);
void shim_sets_free(Device *d, object pool);
int32_t shim_record(Device *d, const Commands *c, const uint64_t *ops, size_t words, const uint64_t *sets);
int32_t shim_submit(Device *d, const Commands *c, const uint64_t *parts, uint32_t n);  // parts: pairs of a command buffer and how often
int32_t shim_wait(Device *d, const Commands *c, uint64_t nanoseconds);
int32_t shim_ticks(Device *d, const Commands *c, uint32_t first, uint32_t n, uint64_t *ticks);

#endif

// An addon that writes where it must not. The interface is that of Node-API, whose binary form does not change, in its own words:
// no headers are needed.
#include <stddef.h>

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);

extern int napi_create_function(napi_env, const char *, size_t, napi_callback, void *, napi_value *);
extern int napi_set_named_property(napi_env, napi_value, const char *, napi_value);

__attribute__((noinline)) void write_where_it_must_not(volatile int *where) { *where = 1; }

__attribute__((noinline)) napi_value crash(napi_env env, napi_callback_info info) {
  write_where_it_must_not((volatile int *)8);
  // So that the call above is none that the function ends with.
  return (napi_value)(info ? NULL : (void *)env);
}

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  napi_value function = NULL;
  napi_create_function(env, "crash", 5, crash, NULL, &function);
  napi_set_named_property(env, exports, "crash", function);
  return exports;
}

// libcurl's functions, as far as they are used here. The library is loaded by the first call: with
// the thirty libraries that it needs itself it takes longer to load than all the rest of a program,
// and most commands of the CLI never use it.
#include <curl/curl.h>
#include <dlfcn.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace {

[[noreturn]] void give_up() {
    // As the loader would, were the library linked.
    std::fprintf(stderr, "%s; install the package libcurl4\n", ::dlerror());
    std::_Exit(127);
}

template <typename Function>
Function* find(const char* name) {
    static void* const library = ::dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) give_up();
    auto* const found = reinterpret_cast<Function*>(::dlsym(library, name));
    if (found == nullptr) give_up();
    return found;
}

}  // namespace

// Macros that only count the arguments.
#undef curl_easy_setopt
#undef curl_easy_getinfo

#define LIBCURL(name) static auto* const real = find<decltype(name)>(#name)

CURLcode curl_global_init(long flags) {
    LIBCURL(curl_global_init);
    return real(flags);
}
CURL* curl_easy_init() {
    LIBCURL(curl_easy_init);
    return real();
}
void curl_easy_cleanup(CURL* handle) {
    LIBCURL(curl_easy_cleanup);
    real(handle);
}
void curl_easy_reset(CURL* handle) {
    LIBCURL(curl_easy_reset);
    real(handle);
}
CURLcode curl_easy_perform(CURL* handle) {
    LIBCURL(curl_easy_perform);
    return real(handle);
}
// The one value is a pointer or an integer of the same size.
static_assert(sizeof(void*) == sizeof(long) && sizeof(void*) == sizeof(curl_off_t));
CURLcode curl_easy_setopt(CURL* handle, CURLoption option, ...) {
    LIBCURL(curl_easy_setopt);
    va_list values;
    va_start(values, option);
    void* const value = va_arg(values, void*);
    va_end(values);
    return real(handle, option, value);
}
CURLcode curl_easy_getinfo(CURL* handle, CURLINFO info, ...) {
    LIBCURL(curl_easy_getinfo);
    va_list values;
    va_start(values, info);
    void* const value = va_arg(values, void*);
    va_end(values);
    return real(handle, info, value);
}
const char* curl_easy_strerror(CURLcode code) {
    LIBCURL(curl_easy_strerror);
    return real(code);
}
curl_slist* curl_slist_append(curl_slist* list, const char* text) {
    LIBCURL(curl_slist_append);
    return real(list, text);
}
void curl_slist_free_all(curl_slist* list) {
    if (list == nullptr) return;
    LIBCURL(curl_slist_free_all);
    real(list);
}
CURLU* curl_url() {
    LIBCURL(curl_url);
    return real();
}
void curl_url_cleanup(CURLU* url) {
    LIBCURL(curl_url_cleanup);
    real(url);
}
CURLUcode curl_url_get(CURLU* url, CURLUPart what, char** part, unsigned flags) {
    LIBCURL(curl_url_get);
    return real(url, what, part, flags);
}
CURLUcode curl_url_set(CURLU* url, CURLUPart what, const char* part, unsigned flags) {
    LIBCURL(curl_url_set);
    return real(url, what, part, flags);
}
void curl_free(void* memory) {
    if (memory == nullptr) return;
    LIBCURL(curl_free);
    real(memory);
}
time_t curl_getdate(const char* text, const time_t* unused) {
    LIBCURL(curl_getdate);
    return real(text, unused);
}

// A URL as parsed by libcurl. Pure: the parser does no I/O. The only file of core/ that includes curl.
#pragma once

#include <curl/curl.h>
#include <memory>
#include <new>
#include <string>
#include <string_view>

namespace cloudsat::core {

class CurlUrl {
public:
    // Flags are CURLU_...; the text contains no NUL. Like the whole class, may throw std::bad_alloc.
    CurlUrl(std::string_view text, unsigned flags) : url_(curl_url()) {
        if (url_ == nullptr) {
            throw std::bad_alloc();
        }
        code_ = set(CURLUPART_URL, std::string(text), flags);
    }

    CURLUcode code() const noexcept { return code_; } // of parsing

    // A part; empty if absent.
    std::string get(CURLUPart which, unsigned flags = 0) const {
        char* text = nullptr;
        check(curl_url_get(url_.get(), which, &text, flags));
        const std::unique_ptr<char, Free> owner(text);
        return text == nullptr ? std::string() : std::string(text);
    }

    CURLUcode set(CURLUPart which, const std::string& value, unsigned flags = 0) {
        return check(curl_url_set(url_.get(), which, value.c_str(), flags));
    }

private:
    static CURLUcode check(CURLUcode code) {
        if (code == CURLUE_OUT_OF_MEMORY) {
            throw std::bad_alloc();
        }
        return code;
    }
    struct Free {
        void operator()(CURLU* url) const noexcept { curl_url_cleanup(url); }
        void operator()(char* text) const noexcept { curl_free(text); }
    };

    std::unique_ptr<CURLU, Free> url_;
    CURLUcode code_ = CURLUE_OK;
};

} // namespace cloudsat::core

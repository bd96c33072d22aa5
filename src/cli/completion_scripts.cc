// What a shell loads: it asks `hako __complete` for every word.
#include "cli/completion.h"

namespace hako::cli {
namespace {

constexpr std::string_view kBash = R"(# bash completion for hako: source <(hako completion bash)
_hako() {
    # The words up to the cursor, with those that bash cuts at a colon joined again.
    local line=${COMP_LINE:0:COMP_POINT} words current candidates name
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    current=${words[-1]}
    candidates=$("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
    COMPREPLY=()
    while IFS=$'\t' read -r name _; do
        [[ $name == :files ]] && compopt -o default && continue
        [[ -n $name ]] && COMPREPLY+=("$name")
    done <<<"$candidates"
    # What stands before the last colon is on the line already.
    if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
        local prefix=${current%"${current##*:}"} i
        for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=${COMPREPLY[i]#"$prefix"}; done
    fi
}
complete -F _hako hako
)";

constexpr std::string_view kZsh = R"(#compdef hako
# zsh completion for hako: hako completion zsh > "${fpath[1]}/_hako"
_hako() {
    local -a candidates
    local line name help files
    while IFS= read -r line; do
        if [[ $line == :files ]]; then files=1; continue; fi
        name=${line%%$'\t'*}
        help=${line#*$'\t'}
        [[ $help == $line ]] && help=
        [[ -n $name ]] && candidates+=("${name//:/\\:}${help:+:$help}")
    done < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
    (( ${#candidates} )) && _describe hako candidates
    [[ -n $files ]] && _files
}
if [[ $funcstack[1] == _hako ]]; then _hako; else compdef _hako hako; fi
)";

constexpr std::string_view kFish = R"(# fish completion for hako: hako completion fish | source
function __hako_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] __complete $words[2..-1] 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c hako -f -a '(__hako_complete)'
)";

}  // namespace

Result<std::string> completion_script(std::string_view shell) {
    if (shell == "bash") return std::string(kBash);
    if (shell == "zsh") return std::string(kZsh);
    if (shell == "fish") return std::string(kFish);
    return fail(ErrorKind::invalid, "there is no completion for \"{}\": bash, zsh or fish", shell);
}

}  // namespace hako::cli

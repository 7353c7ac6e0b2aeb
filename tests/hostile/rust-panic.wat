;; Panics, in a guest that Rust's compiler made.
;;
;; request: read panic
;; status: 500
;; error: guest adversary
;; guest: adversary

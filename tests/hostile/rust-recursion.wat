;; Exhausts its stack, in a guest that Rust's compiler made.
;;
;; request: read overflow
;; status: 500
;; error: descend
;; guest: adversary

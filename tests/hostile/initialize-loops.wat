;; Loops in `initialize`, for which Vault waits.
;;
;; request: enable
;; status: 400
;; error: --start-ms
;; serve: --start-ms=1000

(func $initialize (result i32)
  (if (call $is-chosen)
    (then (loop $again (br $again))))
  (call $nothing))

;; Commits in `initialize`, and then traps.
;;
;; request: enable
;; status: 400
;; error: it aborted

(func $initialize (result i32)
  (if (i32.eqz (call $is-chosen)) (then (return (call $nothing))))
  (call $put (i32.const 2112) (i32.const 3) (i32.const 2112) (i32.const 3) (i32.const 0) (i32.const 64))
  (call $commit (i32.const 64))
  unreachable)

;; Traps in the existence check.
;;
;; request: write harm
;; status: 503
;; error: the existence check of this request could not be made
;; error: it aborted

(func $check (param $request i32) (result i32)
  (if (call $is-benign (local.get $request)) (then (return (call $nothing))))
  unreachable)

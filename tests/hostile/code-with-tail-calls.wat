;; Calls itself by tail calls, which reuse the stack frame, so that the stack is never exhausted.
;;
;; request: load
;; status: 400
;; error: tail calls

(func $hostile (result i32)
  (return_call $hostile))
